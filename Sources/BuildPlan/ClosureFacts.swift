public import ImageModel

/// What planning needs to know of a closure.
public struct ClosureFacts: Hashable, Codable, Sendable {
  /// The toplevel's store path.
  public var system: String
  /// Number of store paths.
  public var paths: Int
  /// Number of references between them; with `paths`, it decides the size of the Nix database.
  public var references: Int
  /// Files, directories and symbolic links, a hard-link group counted once.
  public var inodes: UInt64
  /// File contents and directories, each rounded up to 4 KiB blocks.
  public var content: ByteSize
  /// Kernels and initrds that the bootloader copies, those of specialisations included, each file once.
  public var bootFiles: ByteSize

  /// Describes a closure.
  public init(
    system: String, paths: Int, references: Int, inodes: UInt64, content: ByteSize, bootFiles: ByteSize
  ) {
    self.system = system
    self.paths = paths
    self.references = references
    self.inodes = inodes
    self.content = content
    self.bootFiles = bootFiles
  }
}

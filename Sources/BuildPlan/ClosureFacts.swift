package import Ext4Geometry
public import ImageModel

/// What planning needs to know of a closure.
public struct ClosureFacts: Hashable, Sendable {
  /// The toplevels' store paths, in the order of their generations; those of the spec.
  public var systems: [String]
  /// What the tree that is poured takes of an ext4 filesystem.
  package var tree: TreeNeed
  /// The directories of the first system's `etc`, which activation makes again in `/etc`.
  package var etcDirectories: UInt64
  /// The files and links of the first system's `etc`, each of which becomes a link.
  package var etcLinks: UInt64
  /// Kernels and initrds that the bootloader copies, of all systems and their specialisations, each file once.
  public var bootFiles: ByteSize
  /// Paths in the image of one machine's state, of `InstallStep.machineState`, that the contents bring.
  package var contentState: [String]
  /// What the contents take of other filesystems than the root's, by the paths where these are mounted.
  package var contentSizes: [String: ContentSizes]
  /// The size of a read-only filesystem with the store in it, made already; nil for those that are poured.
  public var storeImage: ByteSize?

  /// Describes a closure.
  package init(
    systems: [String], tree: TreeNeed, etcDirectories: UInt64 = 0, etcLinks: UInt64 = 0,
    bootFiles: ByteSize = ByteSize(bytes: 0), contentState: [String] = [],
    contentSizes: [String: ContentSizes] = [:], storeImage: ByteSize? = nil
  ) {
    self.systems = systems
    self.tree = tree
    self.etcDirectories = etcDirectories
    self.etcLinks = etcLinks
    self.bootFiles = bootFiles
    self.contentState = contentState
    self.contentSizes = contentSizes
    self.storeImage = storeImage
  }
}

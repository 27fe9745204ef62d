/// A filesystem to make, with every identifier decided beforehand.
public struct Filesystem: Hashable, Codable, Sendable {
  /// The type of filesystem.
  public var kind: FilesystemKind
  /// Its label; `kind.labelLimit` bytes at most.
  public var label: String
  /// Its UUID; nil for a kind that takes none. For vfat the first four bytes are the volume id.
  public var uuid: GUID?
  /// Where the target system mounts it, below its root: `/`, `/boot`; nil for what is not mounted.
  public var mountPoint: String?
  /// How many inodes ext4 and its elders get; nil leaves the choice to `mke2fs`. The others make inodes as they go.
  public var inodes: UInt64?

  /// Describes a filesystem.
  public init(
    kind: FilesystemKind, label: String, uuid: GUID?, mountPoint: String?, inodes: UInt64? = nil
  ) {
    self.kind = kind
    self.label = label
    self.uuid = uuid
    self.mountPoint = mountPoint
    self.inodes = inodes
  }
}

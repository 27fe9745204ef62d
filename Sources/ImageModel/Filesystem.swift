/// The filesystems that Slipway makes. erofs and squashfs are read-only, for Nix stores alone.
public enum FilesystemKind: String, Codable, Sendable, CaseIterable {
  case ext4, xfs, btrfs, vfat, erofs, squashfs

  /// Whether nothing can be written to it once it is made.
  public var isReadOnly: Bool { self == .erofs || self == .squashfs }

  /// The longest label that the filesystem holds, in bytes.
  ///
  /// `mke2fs` truncates a longer one and still exits 0, so it is checked before anything runs.
  public var labelLimit: Int {
    switch self {
    case .ext4: 16  // s_volume_name, ext4's struct ext4_super_block
    case .xfs: 12  // XFSLABEL_MAX
    case .btrfs: 255  // BTRFS_LABEL_SIZE less its NUL
    case .erofs: 0  // it has room for one, and mkfs.erofs sets it only from version 1.7 on
    case .squashfs: 0
    case .vfat: 11  // the 8.3 name of the label's directory entry
    }
  }
}

/// A filesystem to make, with every identifier decided beforehand.
public struct Filesystem: Hashable, Codable, Sendable {
  /// The type of filesystem.
  public var kind: FilesystemKind
  /// Its label; `kind.labelLimit` bytes at most.
  public var label: String
  /// Its UUID. For vfat the first four bytes are the volume id; squashfs has none.
  public var uuid: GUID
  /// Where the target system mounts it, below its root: `/`, `/boot`.
  public var mountPoint: String
  /// How many inodes ext4 gets; nil leaves the choice to `mke2fs`. The others make inodes as they go.
  public var inodes: UInt64?

  /// Describes a filesystem.
  public init(kind: FilesystemKind, label: String, uuid: GUID, mountPoint: String, inodes: UInt64? = nil) {
    self.kind = kind
    self.label = label
    self.uuid = uuid
    self.mountPoint = mountPoint
    self.inodes = inodes
  }
}

/// What a partition can be made into, by the name that mount(2) and `mkfs.NAME` know it by.
///
/// The set is open: a kind that Slipway does not know is made by `mkfs.NAME` with the user's own options.
public struct FilesystemKind: RawRepresentable, Hashable, Codable, Sendable {
  /// The name.
  public let rawValue: String

  /// Takes a name of lower-case letters and digits, and `_`, `-` within, 30 at most; nil for anything else, which could not
  /// be part of the name of a program.
  public init?(rawValue: String) {
    let bytes = rawValue.utf8
    guard (1...30).contains(bytes.count), let first = bytes.first, Self.isLetterOrDigit(first),
      bytes.allSatisfy({ Self.isLetterOrDigit($0) || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-") })
    else { return nil }
    self.rawValue = rawValue
  }

  private init(_ name: String) { rawValue = name }

  private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
      || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
  }

  /// ext2 to ext4 are made by `mke2fs` and mounted by one driver.
  public static let ext2 = FilesystemKind("ext2")
  /// ext2 with a journal.
  public static let ext3 = FilesystemKind("ext3")
  /// ext3 with extents, which the host can make without a kernel.
  public static let ext4 = FilesystemKind("ext4")
  /// XFS.
  public static let xfs = FilesystemKind("xfs")
  /// Btrfs.
  public static let btrfs = FilesystemKind("btrfs")
  /// The flash-friendly filesystem.
  public static let f2fs = FilesystemKind("f2fs")
  /// FAT, for boot partitions.
  public static let vfat = FilesystemKind("vfat")
  /// Read-only, for Nix stores alone.
  public static let erofs = FilesystemKind("erofs")
  /// Read-only and compressed, for Nix stores alone.
  public static let squashfs = FilesystemKind("squashfs")
  /// Not a filesystem: room for the kernel to move memory to.
  public static let swap = FilesystemKind("swap")
}

extension FilesystemKind {
  /// What Slipway knows of a kind: its limits, and how its tool is asked for label and UUID.
  private struct Traits {
    /// The longest label that the filesystem holds, in bytes.
    var labelLimit: Int
    /// The least size that its tool takes.
    var least: ByteSize
    /// Whether its tool can be given a UUID.
    var takesUUID = true
    var isReadOnly = false
  }

  /// `mke2fs` truncates a longer label and still exits 0, so it is checked before anything runs.
  private var traits: Traits? {
    switch self {
    // s_volume_name, ext4's struct ext4_super_block
    case .ext2, .ext3, .ext4: Traits(labelLimit: 16, least: .mebibytes(1))
    // XFSLABEL_MAX
    case .xfs: Traits(labelLimit: 12, least: .mebibytes(300))
    // BTRFS_LABEL_SIZE less its NUL
    case .btrfs: Traits(labelLimit: 255, least: .mebibytes(110))
    // MAX_VOLUME_NAME of f2fs-tools. It takes 52 MiB, most of them for itself.
    case .f2fs: Traits(labelLimit: 512, least: .mebibytes(64))
    // the 8.3 name of the label's directory entry
    case .vfat: Traits(labelLimit: 11, least: .mebibytes(1))
    // It has room for a label, and mkfs.erofs sets it only from version 1.7 on.
    case .erofs: Traits(labelLimit: 0, least: .mebibytes(0), isReadOnly: true)
    case .squashfs: Traits(labelLimit: 0, least: .mebibytes(0), takesUUID: false, isReadOnly: true)
    // volume_name of the kernel's union swap_header
    case .swap: Traits(labelLimit: 16, least: .mebibytes(1))
    default: nil
    }
  }

  /// Whether Slipway knows how its tool takes a label and a UUID.
  public var isKnown: Bool { traits != nil }

  /// Whether nothing can be written to it once it is made.
  public var isReadOnly: Bool { traits?.isReadOnly ?? false }

  /// The longest label that it can be given, in bytes; 0 for one that is not known.
  public var labelLimit: Int { traits?.labelLimit ?? 0 }

  /// Whether it can be given a UUID; not one that is not known.
  public var takesUUID: Bool { traits?.takesUUID ?? false }

  /// The least size that its tool takes.
  public var least: ByteSize { traits?.least ?? .mebibytes(1) }

  /// Whether it is of the family that `mke2fs` makes, with a table of inodes.
  public var isExt: Bool { self == .ext2 || self == .ext3 || self == .ext4 }

  /// The program that makes it.
  public var tool: String {
    switch self {
    case .ext2, .ext3, .ext4: "mke2fs"
    case .vfat: "mkfs.fat"
    case .swap: "mkswap"
    default: "mkfs.\(rawValue)"
    }
  }

  /// The kernel module that mounts it; nil where nothing is mounted.
  public var driver: String? {
    switch self {
    // Its driver mounts the elder ones, too (CONFIG_EXT4_USE_FOR_EXT2).
    case .ext2, .ext3, .ext4: "ext4"
    case .swap: nil
    default: rawValue
    }
  }
}

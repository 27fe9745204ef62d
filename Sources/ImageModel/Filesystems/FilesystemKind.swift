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

  init(_ name: String) { rawValue = name }

  private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
      || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
  }
}

extension FilesystemKind {
  private var traits: FilesystemTraits? { .of(self) }

  /// Whether Slipway knows how its tool takes a label and a UUID.
  public var isKnown: Bool { traits != nil }

  /// Whether nothing can be written to it once it is made.
  public var isReadOnly: Bool { if case .readOnly? = traits?.use { true } else { false } }

  /// How it is made in the guest; nil for what the host makes, and for a kind that is not known.
  package var writable: WritableFilesystem? {
    switch traits?.use {
    case .writable(let writable), .swap(let writable): writable
    case .readOnly, nil: nil
    }
  }

  /// Whether it has a table of inodes, made with it: ext4 and its elders.
  package var hasInodeTable: Bool {
    if case .inodeTable? = writable?.size { true } else { false }
  }

  /// The longest label that it can be given, in bytes; 0 for one that is not known.
  public var labelLimit: Int { traits?.labelLimit ?? 0 }

  /// Whether it can be given a UUID; not one that is not known.
  public var takesUUID: Bool { traits?.takesUUID ?? false }

  /// Whether its UUID is a volume id of four bytes.
  package var hasVolumeID: Bool { traits?.hasVolumeID ?? false }

  /// The least size that its tool takes.
  public var least: ByteSize { traits?.least ?? .mebibytes(1) }

  /// What names and nodes it can hold.
  package var names: FilesystemNames { traits?.names ?? FilesystemNames() }

  /// What tells it on a disk; nil where nothing does.
  package var signature: FilesystemSignature? { traits?.signature }

  /// The program that makes it.
  public var tool: String { traits?.programs.first?.name ?? "mkfs.\(rawValue)" }

  /// The kernel module that mounts it; nil where nothing is mounted.
  public var driver: String? {
    guard let traits else { return rawValue }
    return traits.driver
  }
}

public import ImageModel

/// A further partition with a filesystem: an entry of `partitions`.
public struct PartitionEntry: Hashable, Codable, Sendable {
  /// The partition's name in a GPT, and what its identifiers are derived from.
  public var name: String
  /// Its size.
  public var size: ByteSize
  /// Its filesystem.
  public var fsType: FilesystemKind
  /// The filesystem's label; nil for none.
  public var label: String?
  /// Where it is mounted during the installation; nil for nowhere.
  public var mountPoint: String?
  /// What the table says it is for; nil for a Linux filesystem.
  public var type: PartitionType?

  /// Describes an entry.
  public init(
    name: String, size: ByteSize, fsType: FilesystemKind, label: String? = nil, mountPoint: String? = nil,
    type: PartitionType? = nil
  ) {
    self.name = name
    self.size = size
    self.fsType = fsType
    self.label = label
    self.mountPoint = mountPoint
    self.type = type
  }

  /// The names on the way to the mount point; nil without one.
  package var components: [Substring]? { mountPoint.map { $0.split(separator: "/") } }
}

extension PartitionEntry {
  /// Names and places that the layouts have already.
  private static let ownNames: Set = ["ESP", "BOOT", "root", "no-fs", "swap"]
  private static let ownPlaces: Set<Substring> = ["boot", "efi", "nix", "proc", "sys", "dev", "run", "tmp"]

  /// Throws `SpecError` for the first fault of a list of partitions.
  ///
  /// - Parameter bootPlaces: where the layout's own partitions are mounted.
  static func check(
    _ entries: [PartitionEntry], in table: PartitionTable, bootPlaces: [String]
  ) throws(SpecError) {
    var names = ownNames
    var places = Set(bootPlaces.map { $0.split(separator: "/") })
    for entry in entries {
      try entry.checkName()
      try entry.checkFilesystem()
      try entry.checkType(in: table)
      guard names.insert(entry.name).inserted else {
        throw fault("the name '\(entry.name)' is taken", "Give each partition a different name")
      }
      guard let components = entry.components else { continue }
      try entry.checkMountPoint(components)
      guard places.insert(components).inserted else {
        throw fault(
          "two partitions are mounted on '/\(components.joined(separator: "/"))'", "Move one of them")
      }
    }
  }

  private static func fault(_ message: String, _ remedy: String) -> SpecError {
    SpecError("partitions", message, remedy: remedy)
  }

  private func checkName() throws(SpecError) {
    guard !name.isEmpty, name.utf16.count <= 36 else {
      throw Self.fault(
        "the name '\(name)' has \(name.utf16.count) UTF-16 units, and a GPT holds 1 to 36",
        "Choose a shorter name")
    }
    guard !name.hasControlCharacter, !name.contains("/") else {
      throw Self.fault(
        "the name '\(name)' has a control character or a '/'", "Use letters, digits, '-', '_' and '.'")
    }
  }

  private func checkFilesystem() throws(SpecError) {
    guard fsType != .swap, !fsType.isReadOnly else {
      throw Self.fault(
        "the partition '\(name)' would be an empty \(fsType.rawValue)",
        fsType == .swap ? "Use swapSize" : "Use a filesystem that can be written to")
    }
    guard size.bytes > 0, size.bytes % DiskGeometry.alignment == 0, size.bytes <= 1 << 50 else {
      throw Self.fault(
        "the partition '\(name)' would have \(size.bytes) bytes", "Use whole MiB, and 1 PiB at most")
    }
    guard size >= fsType.least else {
      throw Self.fault(
        "the partition '\(name)' has \(size), and \(fsType.rawValue) needs \(fsType.least)",
        "Make it larger, or choose another fsType")
    }
    if let label { try checkLabel(label, of: fsType, key: "partitions") }
  }

  private func checkType(in table: PartitionTable) throws(SpecError) {
    switch type {
    case nil: return
    case .guid where table.layout.format != .mbr: return
    case .code where table.layout.format == .mbr: return
    case .some(let type):
      throw Self.fault(
        "the table of '\(table.rawValue)' has no partition types such as '\(type)'",
        "Write a GUID for a GPT, and a hexadecimal number for 'legacy'")
    }
  }

  private func checkMountPoint(_ components: [Substring]) throws(SpecError) {
    let place = mountPoint ?? ""
    guard isAbsolute(place) else {
      throw Self.fault(
        "the mount point '\(place)' is not an absolute path without '..'", "Write it as '/srv'")
    }
    guard let first = components.first, !Self.ownPlaces.contains(first) else {
      throw Self.fault("'\(place)' is another filesystem's place", "Mount it on a folder such as '/srv'")
    }
  }
}

/// Whether a mount point is an absolute path without `.` and `..`.
func isAbsolute(_ place: String) -> Bool {
  let components = place.split(separator: "/")
  return place.hasPrefix("/") && !components.contains("..") && !components.contains(".")
    && !place.hasControlCharacter
}

/// Throws `SpecError` for a label that the filesystem does not hold, or that would not be found by it.
func checkLabel(_ label: String, of kind: FilesystemKind, key: String) throws(SpecError) {
  guard label.isEmpty || kind.isKnown else {
    throw SpecError(
      key, "Slipway does not know how to give mkfs.\(kind.rawValue) the label '\(label)'",
      remedy: key == "label"
        ? "Leave label out, and give the tool's own option by mkfsOptions" : "Leave the label out")
  }
  guard label.utf8.count <= kind.labelLimit else {
    throw SpecError(
      key, "'\(label)' has \(label.utf8.count) bytes, and \(kind.rawValue) labels hold \(kind.labelLimit)",
      remedy: kind.labelLimit == 0 ? "Leave it out" : "Choose a shorter label")
  }
  guard !label.contains(where: \.isWhitespace), !label.hasControlCharacter, !label.contains("/") else {
    throw SpecError(
      key, "the label has a space, a control character or a '/'",
      remedy: "Use letters, digits, '-', '_' and '.'")
  }
}

internal import ImageModel

/// What the value of each key must be.
extension ResolvedSpec {
  static func fileName(_ name: String) throws(SpecError) -> String {
    guard !name.isEmpty, !name.contains("/"), !name.hasPrefix("."), !name.hasPrefix("-"),
      name.utf8.count <= 200, !name.hasControlCharacter
    else {
      throw SpecError(
        "baseName", "'\(name)' cannot be a file name",
        remedy: "Use a short name without '/', control characters, and a leading '.' or '-'")
    }
    return name
  }

  static func filesystem(
    _ kind: FilesystemKind, onlyNixStore: Bool
  ) throws(SpecError) -> FilesystemKind {
    guard kind != .vfat, kind != .swap else {
      throw SpecError("fsType", "\(kind.rawValue) cannot hold a Nix store", remedy: "Use ext4, xfs or btrfs")
    }
    guard onlyNixStore || !kind.isReadOnly else {
      throw SpecError(
        "fsType", "\(kind.rawValue) is read-only, and a system writes to its root",
        remedy: "Use ext4, xfs or btrfs; \(kind.rawValue) is for onlyNixStore")
    }
    guard !onlyNixStore || kind.isReadOnly || kind == .ext4 else {
      throw SpecError(
        "fsType", "\(kind.rawValue) cannot be made without a VM, which onlyNixStore does not start",
        remedy: "Use ext4, erofs or squashfs")
    }
    return kind
  }

  static func label(
    _ spec: ImageSpec, _ kind: FilesystemKind, onlyNixStore: Bool
  ) throws(SpecError) -> String {
    let label = spec.label ?? (kind.labelLimit == 0 ? "" : onlyNixStore ? "nix-store" : "nixos")
    try checkLabel(label, of: kind, key: "label")
    guard spec.rootFSUID == nil || kind.takesUUID else {
      throw SpecError(
        "rootFSUID", "Slipway does not know how to give mkfs.\(kind.rawValue) a UUID",
        remedy: "Leave it out, and give the tool's own option by mkfsOptions")
    }
    return label
  }

  static func diskSize(_ size: DiskSize, _ formats: [ImageFormat]) throws(SpecError) -> DiskSize {
    guard case .fixed(let bytes) = size else { return size }
    guard bytes.bytes <= 1 << 60 else {
      throw SpecError("diskSize", "\(bytes) are more than 1 EiB", remedy: "Ask for less")
    }
    for format in formats {
      guard let unit = format.diskUnit, bytes.bytes % unit.bytes != 0 else { continue }
      throw SpecError(
        "diskSize",
        "\(bytes.bytes) bytes are not a multiple of \(unit), as the format \(format.rawValue) needs",
        remedy: "Use \"auto\", or a multiple of \(unit.bytes >> 20)M")
    }
    // Never rounded: a size that somebody gives is that of the disk.
    guard bytes.bytes % DiskGeometry.alignment == 0 else {
      throw SpecError(
        "diskSize", "\(bytes.bytes) bytes are not whole MiB, and partitions begin and end at those",
        remedy: "Use \"auto\", \(bytes.bytes >> 20)M or \(bytes.bytes >> 20 + 1)M")
    }
    return size
  }

  /// What the size of the disk is a multiple of, in bytes: a power of two, as the units of all formats are.
  var diskUnit: UInt64 {
    formats.compactMap { $0.diskUnit?.bytes }.reduce(DiskGeometry.alignment, max)
  }

  static func free(_ spec: ImageSpec) throws(SpecError) -> ByteSize {
    if let additional = spec.additionalSpace, case .fixed? = spec.diskSize {
      throw SpecError(
        "additionalSpace", "\(additional) cannot be added to a fixed diskSize",
        remedy: "Leave one of the two out; additionalSpace needs diskSize \"auto\"")
    }
    guard case .auto = spec.diskSize ?? .auto else { return ByteSize(bytes: 0) }
    if let kind = spec.fsType, kind.isReadOnly {
      guard spec.additionalSpace == nil else {
        throw SpecError(
          "additionalSpace", "\(kind.rawValue) is read-only and has no free space", remedy: "Leave it out")
      }
      return ByteSize(bytes: 0)
    }
    let free = spec.additionalSpace ?? .mebibytes(spec.onlyNixStore == true ? 0 : 512)
    guard free.bytes <= 1 << 50 else {
      throw SpecError("additionalSpace", "\(free) is more than 1 PiB", remedy: "Ask for less")
    }
    return free
  }

  static func bootSize(
    _ wanted: ByteSize?, _ table: PartitionTable, sectorSize: UInt64
  ) throws(SpecError) -> ByteSize {
    let start = table.layout.bootStart(sectorSize)
    let least = start + DiskGeometry.leastBoot(sectorSize: sectorSize)
    let end = wanted ?? ByteSize(bytes: max(256 << 20, least))
    guard end.bytes % DiskGeometry.alignment == 0 else {
      throw SpecError("bootSize", "\(end.bytes) bytes are not whole MiB", remedy: "Use a multiple of 1M")
    }
    guard end.bytes >= least, end.bytes <= 1 << 40 else {
      throw SpecError(
        "bootSize", "the boot partition would end at \(end)",
        remedy: "Use \(least >> 20)M to 1T; bootSize is its end offset, and it starts at \(start >> 20)M")
    }
    return end
  }

  static func memory(_ mebibytes: UInt64) throws(SpecError) -> UInt64 {
    guard mebibytes >= 384 else {
      throw SpecError(
        "memSize", "\(mebibytes) MiB are too little for the installer", remedy: "Use 384 or more")
    }
    guard mebibytes <= 16 << 20 else {
      throw SpecError(
        "memSize", "\(mebibytes) MiB are more than 16 TiB", remedy: "Use the number of MiB: 1024 for 1 GiB")
    }
    return mebibytes
  }

  static func cpus(_ count: Int) throws(SpecError) -> Int {
    guard (1...64).contains(count) else {
      throw SpecError("cpus", "\(count) processors cannot be given", remedy: "Use 1 to 64")
    }
    return count
  }

  static func table(_ wanted: PartitionTable?, onlyNixStore: Bool) -> PartitionTable {
    wanted ?? (onlyNixStore ? .none : .efi)
  }

  static func grubDevices(_ devices: [String]) throws(SpecError) -> [String] {
    for device in devices {
      let names = device.split(separator: "/", omittingEmptySubsequences: false)
      guard names.count > 2, names[0].isEmpty, names[1] == "dev",
        names[2...].allSatisfy({ !$0.isEmpty && $0 != "." && $0 != ".." }), !device.hasControlCharacter
      else {
        throw SpecError(
          "grubDevice", "'\(device)' is not the path of a device",
          remedy: "Write boot.loader.grub.device, as \"/dev/sda\"")
      }
    }
    return devices
  }

  /// What `configFile` becomes.
  static let configurationFile = "/etc/nixos/configuration.nix"

  static func contents(_ spec: ImageSpec) throws(SpecError) -> [PlannedContent] {
    if spec.onlyNixStore == true {
      for (key, isGiven) in [
        ("contents", spec.contents?.isEmpty == false), ("configFile", spec.configFile != nil),
      ]
      where isGiven {
        throw SpecError(
          key, "an image of a Nix store only has nothing else", remedy: "Leave it out, or onlyNixStore")
      }
    }
    var entries = (spec.contents ?? []).map { (key: "contents", entry: $0) }
    if let file = spec.configFile {
      guard file.hasPrefix("/") else {
        throw SpecError("configFile", "the path '\(file)' is relative", remedy: "Give its absolute path")
      }
      entries.append(
        ("configFile", ContentEntry(source: file, target: Self.configurationFile, mode: .octal(0o644))))
    }
    for var entry in spec.extraFiles ?? [] {
      entry.mode = entry.mode ?? .octal(0o600)
      entries.append(("extraFiles", entry))
    }
    for (key, entry) in entries { try entry.check(key) }
    try ContentEntry.checkTargets(of: entries.map(\.entry))
    return zip(0..., entries).map { PlannedContent(key: $1.key, $1.entry, index: $0) }
  }

  static func formats(_ formats: [ImageFormat]) throws(SpecError) -> [ImageFormat] {
    guard !formats.isEmpty else {
      throw SpecError("format", "the list is empty", remedy: "Name at least one format, or leave it out")
    }
    var files: Set<String> = []
    for format in formats where !files.insert(format.fileExtension).inserted {
      throw SpecError(
        "format", "two of the formats would be one file, '.\(format.fileExtension)'",
        remedy: "Leave one of them out")
    }
    return formats
  }

  /// A script goes to the guest in one message.
  static func script(_ text: String?, _ key: String) throws(SpecError) -> String? {
    guard let text, text.utf8.count > 256 << 10 else { return text }
    throw SpecError(
      key, "the script has \(text.utf8.count) bytes, and 256 KiB are the most",
      remedy: "Put what is long into a file of contents, and run that")
  }
}

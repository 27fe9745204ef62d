internal import AgentProtocol
internal import Basics
internal import BuildPlan
internal import ImageModel
internal import ImageReading
internal import NixStore

/// Reads the system of one disk.
struct InstalledImageReader {
  let map: DiskMap
  let disk: DiskFile
  let profile: String
  let mountPoints: [Int: String]
  /// What a machine could not read, and why.
  var unread: [String] = []

  private static let profiles = "/nix/var/nix/profiles"
  private static let database = "/nix/var/nix/db"
  private static let databaseLimit = 512 << 20
  /// What has to be folders of the root itself: what is added is moved to its place there.
  private static let ownFolders = ["/nix/store", profiles, database]
  /// Where NixOS's bootloaders have what they read.
  private static let bootPlaces = ["/boot", "/efi", "/boot/efi"]

  /// Whether a root is among what is read already.
  static func hasRoot(_ map: DiskMap) throws -> Bool { try !roots(of: map).isEmpty }

  private static func roots(of map: DiskMap) throws -> [DiskMap.Part] {
    try map.parts.filter { part in
      guard let tree = part.tree else { return false }
      return try isOwnFolder("/nix/store", of: tree) && isOwnFolder(profiles, of: tree)
    }
  }

  /// Whether a path leads to a folder without a link on the way.
  private static func isOwnFolder(_ path: String, of tree: any ReadableTree) throws -> Bool {
    var folder = ""
    for name in path.split(separator: "/") {
      folder += "/\(name)"
      guard try tree.node(folder)?.kind == .folder else { return false }
    }
    return true
  }

  /// - Throws: `Fault` of kind `badInput`; `UnreadableStructure`; what reading throws.
  func read() throws -> InstalledImage {
    let root = try root()
    guard let tree = root.tree else { throw noRoot() }
    for folder in Self.ownFolders where try !Self.isOwnFolder(folder, of: tree) {
      throw refused("\(folder) is not a folder of its root filesystem")
    }
    try checkClean(root)
    let (generations, current) = try generations(of: profile, in: tree)
    let system = try currentSystem(generations, current, tree)
    let mounts =
      try tree.file("\(system)/etc/fstab", limit: FilesystemTable.sizeLimit).map {
        FilesystemTable(String(decoding: $0, as: UTF8.self)).mounts
      } ?? []
    try checkRoot(root, mounts)
    let boot = try bootParts(mounts, besides: root)
    let registered = try registered(tree)
    let valid = registered.valid
    for (number, system) in generations.sorted(by: { $0.key < $1.key }) {
      guard let path = StorePath(path: system), valid.contains(path) else {
        throw refused(
          "generation \(number) of its profile \(profile) is not valid in its Nix database",
          remedy: "Boot it, and remove that generation there, or run: nix-store --verify --repair")
      }
    }
    return InstalledImage(
      layout: try layout(root, boot), generations: generations, current: current,
      machineType: try tree.file("\(system)/system", limit: 256).map { String(decoding: $0, as: UTF8.self) },
      registered: registered, storeNames: Set(try tree.names(in: "/nix/store")),
      rootFree: ByteSize(bytes: root.report.content.free ?? 0), rootInodes: try freeInodes(of: root),
      boot: try boot.map { try bootFilesystem($0.part, at: $0.place) },
      absentState: try ([("", root)] + boot.map { ($0.place, $0.part) }).flatMap {
        try absentState($0.1, at: $0.0)
      })
  }

  private func absentState(_ part: DiskMap.Part, at place: String) throws -> [String] {
    try InstallStep.machineState.filter { try part.tree?.resolve("/\($0)") == nil }.map { "\(place)/\($0)" }
  }

  // MARK: - The root

  private func root() throws -> DiskMap.Part {
    let roots = try Self.roots(of: map)
    guard roots.count < 2 else {
      throw refused("\(roots.map(\.word).joined(separator: " and ")) have a Nix store each")
    }
    guard let root = roots.first else { throw noRoot() }
    return root
  }

  private func noRoot() -> Fault {
    let containers = map.parts.filter { $0.kind == .luks || $0.kind == .lvm }
    if let container = containers.first {
      return refused(
        "\(container.word) is \(container.kind == .luks ? "encrypted" : "an LVM volume"), and no other has a Nix store"
      )
    }
    var fault = refused("no filesystem on it has a Nix store and profiles, at /nix")
    fault.evidence = map.notes + unread
    return fault
  }

  /// A filesystem that was not unmounted has changes in its journal that only a kernel applies.
  private func checkClean(_ root: DiskMap.Part) throws {
    guard root.kind == .ext else { return }
    let superblock = try superblock(of: root)
    guard superblock.littleEndian(at: 0x60, 4) & 0x4 == 0 else {
      throw refused(
        "its root filesystem was not unmounted", remedy: "Boot it, and shut it down")
    }
  }

  private func freeInodes(of root: DiskMap.Part) throws -> UInt64? {
    root.kind == .ext ? try superblock(of: root).littleEndian(at: 0x10, 4) : nil
  }

  private func superblock(of part: DiskMap.Part) throws -> [UInt8] {
    let (end, isTooLarge) = part.report.start.addingReportingOverflow(part.report.size)
    let bytes = disk.part(part.report.start..<(isTooLarge ? .max : max(end, part.report.start)))
    let found = try bytes.bytes(1024, at: Ext4Filesystem.superblockPlace)
    guard found.count == 1024 else { throw UnreadableStructure("its superblock is cut short") }
    return found
  }

  // MARK: - Generations

  private func generations(
    of profile: String, in tree: any ReadableTree
  ) throws -> ([UInt64: String], current: UInt64?) {
    let isSystem = profile == Generations.systemProfile
    let folder = isSystem ? Self.profiles : "\(Self.profiles)/system-profiles"
    guard try Self.isOwnFolder(folder, of: tree) else { return ([:], nil) }
    func target(_ name: String) throws -> String? {
      guard case .link(let target)? = try tree.node("\(folder)/\(name)")?.kind else { return nil }
      return target
    }
    var generations: [UInt64: String] = [:]
    for name in try tree.names(in: folder) {
      try Cancellation.check()
      guard let link = ProfileLink(name, onlySystem: false), link.profile == profile else { continue }
      generations[link.number] = try target(name) ?? ""
    }
    let name = try target(profile)?.split(separator: "/").last.map(String.init)
    let current = name.flatMap { ProfileLink($0, onlySystem: false) }
    return (generations, current?.profile == profile ? current?.number : nil)
  }

  /// The system whose fstab counts: that of the profile, or, for a profile that is new, of the usual one.
  private func currentSystem(
    _ generations: [UInt64: String], _ current: UInt64?, _ tree: any ReadableTree
  ) throws -> String {
    var found = current.flatMap { generations[$0] }
    if found == nil, profile != Generations.systemProfile {
      let (systems, number) = try self.generations(of: Generations.systemProfile, in: tree)
      found = number.flatMap { systems[$0] }
    }
    guard let found, let system = StorePath(path: found) else {
      throw refused("its profile \(profile) is at no generation, so no NixOS system is installed on it")
    }
    guard try tree.resolve("\(system.path)/init") != nil else {
      throw refused("its current generation \(system) is not a NixOS system: it has no init")
    }
    return system.path
  }

  private func registered(_ tree: any ReadableTree) throws -> RegisteredPaths {
    func file(_ name: String) throws -> [UInt8]? {
      try tree.file("\(Self.database)/\(name)", limit: Self.databaseLimit)
    }
    guard let bytes = try file("db.sqlite"), let schema = try file("schema") else {
      throw refused("it has no Nix database in \(Self.database), or one of more than 512 MiB")
    }
    return try RegisteredPaths(bytes, log: try file("db.sqlite-wal") ?? [], schema: schema)
  }

  // MARK: - What is mounted

  private func checkRoot(_ root: DiskMap.Part, _ mounts: [GenerationReport.Mount]) throws {
    guard let mount = mounts.first(where: { $0.place == "/" }) else { return }
    guard part(of: mount.device)?.report.number == root.report.number else {
      throw refused("its system mounts \(mount.device) at /, and the Nix store is on \(root.word)")
    }
  }

  private func bootParts(
    _ mounts: [GenerationReport.Mount], besides root: DiskMap.Part
  ) throws -> [(place: String, part: DiskMap.Part)] {
    var found: [(place: String, part: DiskMap.Part)] = []
    for mount in mounts where Self.bootPlaces.contains(mount.place) {
      guard let part = part(of: mount.device) else {
        throw refused("its system mounts \(mount.device) at \(mount.place), which is not on its disk")
      }
      found.append((mount.place, part))
    }
    if found.isEmpty { found = likelyBootParts }
    return found.filter { $0.part.report.number != root.report.number }
  }

  /// What a system mounts that has no table of it: what the image's build says, or else what systemd would mount by the types of
  /// partitions (systemd-gpt-auto-generator(8)).
  private var likelyBootParts: [(place: String, part: DiskMap.Part)] {
    let told = map.parts.compactMap { part in
      mountPoints[part.report.number].flatMap { place in
        Self.bootPlaces.contains(place) ? (place: place, part: part) : nil
      }
    }
    guard told.isEmpty else { return told }
    let readable = map.parts.filter { $0.tree != nil }
    let system = readable.first { $0.report.type.map { DiskMap.systemTypes.contains($0) } ?? false }
    let extended = readable.first { $0.report.type == .extendedBoot }
    if let extended { return [("/boot", extended)] + (system.map { [("/efi", $0)] } ?? []) }
    return system.map { [("/boot", $0)] } ?? []
  }

  /// The part that a device of fstab is; nil for one that is not on the disk.
  private func part(of device: String) -> DiskMap.Part? {
    guard let reference = FilesystemReference(device: device) else {
      return Self.partitionNumber(of: device).flatMap { number in
        map.parts.first { $0.report.number == number }
      }
    }
    let report = map.finished
    return map.parts.first { part in
      let known: String? =
        switch reference.kind {
        case .uuid: part.report.content.uuid?.lowercased()
        case .label: part.report.content.label
        case .partitionUUID: part.report.identifier(on: report)?.lowercased()
        case .partitionLabel: part.report.name.isEmpty ? nil : part.report.name
        }
      let isFolded = reference.kind == .uuid || reference.kind == .partitionUUID
      return known != nil && known == (isFolded ? reference.value.lowercased() : reference.value)
    }
  }

  /// The number of a partition of the only disk, as `/dev/vda2` and `/dev/nvme0n1p2` have it; 0 for the disk itself.
  static func partitionNumber(of device: String) -> Int? {
    let pattern = /\/dev\/(?:[a-z]*d[a-z]([0-9]{0,3})|(?:nvme[0-9]+n[0-9]+|mmcblk[0-9]+)(?:p([0-9]{1,3}))?)/
    guard let match = try? pattern.wholeMatch(in: device) else { return nil }
    let digits = [match.1, match.2].compactMap(\.self).first { !$0.isEmpty }
    return digits.map { Int($0) } ?? 0
  }

  private func bootFilesystem(
    _ part: DiskMap.Part, at place: String
  ) throws -> InstalledImage.BootFilesystem {
    guard let tree = part.tree else {
      throw refused(
        "its system mounts \(part.word) at \(place), which is \(part.kind.rawValue) and was not read")
    }
    var names: [String] = []
    for folder in ["/EFI/nixos", "/EFI/Linux", "/kernels", "/nixos", "/limine/kernels"] {
      names += try tree.sortedNames(in: folder).map { $0.lowercased() }
    }
    return InstalledImage.BootFilesystem(
      mountPoint: place, free: ByteSize(bytes: part.report.content.free ?? 0),
      clusterSize: (tree as? FATTree)?.filesystem.clusterSize ?? 4096, names: names)
  }

  // MARK: - The disk

  private func layout(_ root: DiskMap.Part, _ boot: [(place: String, part: DiskMap.Part)]) throws
    -> DiskLayout
  {
    let table = map.table
    let places = [("/", root)] + boot.map { ($0.place, $0.part) }
    let partitions = try map.parts.compactMap { part -> Partition? in
      let report = part.report
      let place = places.first { $0.1.report.number == report.number }?.0
      // The kernel shows no partition, or a shorter one, that is not on the disk to its end; and an extended one is none.
      let isWhole = report.start <= map.report.size && report.size <= map.report.size - report.start
      guard isWhole, report.type.map({ !LogicalPartitions.isExtended($0) }) ?? true else {
        guard place == nil else { throw refused("\(part.word) is not on its disk to its end") }
        return nil
      }
      return Partition(
        number: report.number, name: report.name, type: report.type, guid: report.guid,
        start: report.start / table.sectorSize, sectors: report.size / table.sectorSize,
        filesystem: try place.map { try filesystem(part, at: $0) })
    }
    return DiskLayout(
      table: table.format, sectorSize: table.sectorSize, sectors: table.sectors,
      guid: table.guid ?? GUID(high: UInt64(table.signature ?? 0) << 32, low: 0), partitions: partitions)
  }

  private func filesystem(_ part: DiskMap.Part, at place: String) throws -> Filesystem {
    let name = part.kind == .fat ? "vfat" : part.report.content.kind
    guard let kind = FilesystemKind(rawValue: name), kind.writable != nil, kind.driver != nil else {
      throw refused(
        "\(part.word), which is mounted at \(place), is \(name), and no generation can be written to that")
    }
    // Its UUID and label are asked for in the guest, which has the tool that knows all kinds.
    return Filesystem(kind: kind, label: "", uuid: nil, mountPoint: place)
  }

  private func refused(_ cause: String, remedy: String? = nil) -> Fault {
    Fault(.badInput, "no generation can be added to the image", cause: cause, remedy: remedy)
  }
}

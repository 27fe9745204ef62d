internal import Basics
internal import ImageReading
internal import NixStore

/// The generations of a NixOS system, read from the filesystem that has its store.
struct GenerationReader {
  /// A filesystem with `/nix`, or the one that the running system has there.
  let tree: any ReadableTree
  /// Where the running system has the filesystem: "" or "/nix".
  let mountPoint: String

  /// More than any boot menu lists.
  private static let most = 500
  private static let profiles = "/nix/var/nix/profiles"
  private static let databaseLimit = 512 << 20

  /// - Returns: nil for a filesystem without Nix's state.
  /// - Throws: `UnreadableStructure`, and what reading throws.
  init?(on tree: any ReadableTree) throws {
    self.tree = tree
    if try tree.resolve("/nix/store") != nil || tree.resolve(Self.profiles) != nil {
      mountPoint = ""
    } else if try tree.resolve("/var/nix") != nil, try tree.resolve("/store") != nil {
      mountPoint = "/nix"
    } else {
      return nil
    }
  }

  private func place(_ path: String) -> String { String(path.dropFirst(mountPoint.count)) }

  /// - Throws: `UnreadableStructure`, and what reading throws.
  func reports() throws -> [GenerationReport] {
    var reports: [GenerationReport] = []
    let folders = [Self.profiles, "\(Self.profiles)/system-profiles"]
    for folder in folders {
      let links = try tree.sortedNames(in: place(folder), mountPoint: mountPoint).compactMap {
        ProfileLink($0, onlySystem: folder == Self.profiles)
      }
      for link in links.sorted() {
        try Cancellation.check()
        guard reports.count < Self.most else { return reports }
        reports.append(try report(link, in: folder))
      }
    }
    return reports
  }

  private func report(_ link: ProfileLink, in folder: String) throws -> GenerationReport {
    let system = try target("\(folder)/\(link.name)")
    let current = try tree.node(place("\(folder)/\(link.profile)"))
    var report = GenerationReport(
      profile: link.profile, number: link.number, system: system, hasBootSpecification: false,
      specialisations: [], mounts: [], isCurrent: false, isDefault: false)
    if case .link(let target)? = current?.kind {
      report.isCurrent = target.split(separator: "/").last.map(String.init) == link.name
    }
    guard let system else { return report }
    let json = try file("\(system)/\(BootSpecification.fileName)", limit: BootSpecification.sizeLimit)
    if let specification = json.flatMap({ BootSpecification($0) }) {
      report.hasBootSpecification = true
      report.label = specification.label
      report.kernel = specification.kernel
      report.specialisations = specification.specialisations.sorted { $0.key < $1.key }.map {
        .init(name: $0.key, system: $0.value)
      }
    } else {
      let names = try tree.sortedNames(in: place("\(system)/specialisation"), mountPoint: mountPoint)
      report.specialisations = try names.prefix(BootSpecification.mostSpecialisations).map {
        .init(name: $0, system: try target("\(system)/specialisation/\($0)"))
      }
    }
    if let table = try file("\(system)/etc/fstab", limit: FilesystemTable.sizeLimit) {
      report.mounts = FilesystemTable(String(decoding: table, as: UTF8.self)).mounts
    }
    return report
  }

  private func file(_ path: String, limit: Int) throws -> [UInt8]? {
    try tree.file(place(path), mountPoint: mountPoint, limit: limit)
  }

  /// The store path that a path leads to; nil where it leads nowhere.
  private func target(_ path: String) throws -> String? {
    try tree.resolve(place(path), mountPoint: mountPoint).map { mountPoint + $0.path }
  }

  /// - Returns: nil without a database that can be read.
  /// - Throws: `UnreadableStructure`; `CancellationError`; what reading throws.
  func database() throws -> NixDatabaseSummary? {
    let file = "/nix/var/nix/db/db.sqlite"
    guard let bytes = try self.file(file, limit: Self.databaseLimit) else { return nil }
    let log = try self.file("\(file)-wal", limit: Self.databaseLimit)
    return try NixDatabase.summary(of: bytes, log: log ?? [])
  }
}

/// The link of a profile to one of its generations: `system-2-link`.
struct ProfileLink: Hashable, Comparable {
  var name: String
  var profile: String
  var number: UInt64

  /// - Parameter onlySystem: whether only `system` counts, as in the folder that also has other profiles.
  /// - Returns: nil for another name.
  init?(_ name: String, onlySystem: Bool) {
    guard name.hasSuffix("-link"), let dash = name.dropLast(5).lastIndex(of: "-"),
      let number = UInt64(name[name.index(after: dash)...].dropLast(5))
    else { return nil }
    (self.name, profile, self.number) = (name, String(name[..<dash]), number)
    guard !profile.isEmpty, !onlySystem || profile == "system" else { return nil }
  }

  static func < (one: ProfileLink, other: ProfileLink) -> Bool {
    (one.profile, one.number) < (other.profile, other.number)
  }
}

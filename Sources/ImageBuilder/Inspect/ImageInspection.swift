internal import Basics
internal import BuildPlan
internal import EFIVariables
internal import Guestfs
internal import HostProbe
public import ImageModel
internal import ImageReading
internal import NixStore
internal import SystemPackage

/// Looks into an image of any origin: its disk, its boot entries, its generations.
///
/// Nothing of it is trusted, and it is not written to.
public struct ImageInspection: Sendable {
  private let image: String
  private let variables: String?
  private let format: ImageFormat?

  /// Prepares an inspection; nothing is read yet.
  ///
  /// - Parameters:
  ///   - image: an image file, or the output folder of a build.
  ///   - variables: the EFI variable store that belongs to it; nil for the one of the output folder, or for none.
  ///   - format: the image's format; nil to go by its name, and in a folder to take the first.
  public init(_ image: String, variables: String? = nil, format: ImageFormat? = nil) {
    (self.image, self.variables, self.format) = (image, variables, format)
  }

  /// Looks into it.
  ///
  /// - Throws: `Fault`; `CancellationError`.
  public func run() async throws -> ImageReport {
    let source = try InspectedFiles(image, variables: variables, format: format)
    var store: VariableStore?
    if let variables = source.variables { store = try await VariableStoreFile(variables.string).read() }
    return try await report(of: source, store)
  }

  /// Looks into files that are found already.
  func report(of source: InspectedFiles, _ store: VariableStore?) async throws -> ImageReport {
    try await ScratchFolder.with("inspect") { scratch in
      let tools = ToolFolder(path: scratch)
      try await RawDisk.make(of: source.image, source.format, as: FATReader.disk, in: tools)
      let disk = scratch.appending(FATReader.disk)
      let needsGuest = try await reading(disk) { try DiskMap(of: $0).hasForeignFilesystems }
      let isEmulated: Bool? = await needsGuest ? Self.isEmulated() : nil
      let file = ImageReport.Image(file: image, format: source.format, fileSize: source.size)
      return try await reading(disk) { disk in
        try DiskInspection(
          image: file, build: source.build, store: store, scratch: scratch, emulated: isEmulated
        ).run(disk)
      }
    }
  }

  private func reading<Value: Sendable>(
    _ disk: FilePath, _ body: @escaping @Sendable (DiskFile) throws -> Value
  ) async throws -> Value {
    try await onThread { [image] in
      do {
        return try DiskFile.with(disk, body)
      } catch let error as Errno {
        throw Fault(.failed, "could not read \(image)", cause: "\(error)")
      }
    }
  }

  /// Whether KVM does not work for a machine here; a host that cannot be asked has none.
  static func isEmulated() async -> Bool {
    (try? await HostProbe().accelerator().kind == .tcg) ?? true
  }
}

/// Looks into a raw disk.
struct DiskInspection {
  let image: ImageReport.Image
  let build: BuildStepsReport?
  let store: VariableStore?
  let scratch: FilePath
  /// Whether the machine that reads other filesystems is emulated; nil where none is needed.
  let emulated: Bool?

  /// - Throws: `Errno`; `Fault`; `CancellationError`.
  func run(_ disk: DiskFile) throws -> ImageReport {
    let map = try DiskMap(of: disk)
    guard let emulated else { return try report(map, []) }
    // What the machine's failure to start is told apart from.
    var result: Result<ImageReport, any Error>?
    var notes: [String] = []
    do {
      try Guestfs.with(disks: [.init(disk.path.absolute)], emulated: emulated, scratch: scratch) { guest in
        result = Result {
          var whole = map
          let notes = try whole.read(with: guest)
          return try report(whole, notes)
        }
      }
    } catch let fault as Fault {
      notes.append("Filesystems other than ext2 to ext4 and FAT were not read: \(fault.message)")
      notes += [fault.remedy].compactMap(\.self)
    }
    if let result { return try result.get() }
    return try report(map, notes)
  }

  private func report(_ map: DiskMap, _ notes: [String]) throws -> ImageReport {
    var report = ImageReport(
      image: image, disk: map.finished, bootFiles: [], programs: [], entries: [], generations: [],
      build: build,
      warnings: [],
      notes: map.notes + notes)
    try readGenerations(map, &report)
    let loaders = try LoaderEntries(of: map.parts, override: defaultEntry)
    report.entries = loaders.entries
    let generations = GenerationIndex(report.generations)
    for index in report.entries.indices { generations.join(&report.entries[index]) }
    for entry in report.entries where entry.isDefault && entry.specialisation == nil {
      for index in report.generations.indices
      where (report.generations[index].profile, report.generations[index].number)
        == (entry.profile ?? "", entry.generation ?? 0)
      {
        report.generations[index].isDefault = true
      }
    }
    let files = try BootPartitionFiles(of: map.parts, report.entries)
    (report.bootFiles, report.programs) = (files.files, files.programs)
    report.notes += loaders.notes + files.notes
    report.efiVariables = store.map(Self.variables)
    let check = store.map { DiskCheck(of: $0, on: map.bootDisk(files.files)) }
    report.warnings =
      BootWarnings(
        of: report, storeProblems: check?.problems, hasBootEntry: check.map { !$0.started.isEmpty } ?? false
      ).warnings
    return report
  }

  private func readGenerations(_ map: DiskMap, _ report: inout ImageReport) throws {
    for part in map.parts {
      guard let tree = part.tree else { continue }
      do {
        guard let found = try GenerationReader(on: tree) else { continue }
        report.generations += try found.reports()
        if report.nixDatabase == nil, let summary = try found.database() {
          report.nixDatabase = NixDatabaseReport(
            partition: part.report.number, paths: summary.paths, references: summary.references,
            narSize: summary.narSize, latestRegistration: summary.latestRegistration)
        }
      } catch let error as UnreadableStructure {
        report.notes.append("\(part.word) was not read to its end: \(error.reason)")
      } catch let fault as Fault {
        report.notes.append("\(part.word) was not read to its end: \(fault.message)")
      }
    }
  }

  private static func variables(_ store: VariableStore) -> [EFIVariableReport] {
    store.variables.sorted { $0.key < $1.key }.map { variable in
      EFIVariableReport(
        name: variable.key.name.description, vendor: variable.key.vendor,
        attributes: variable.attributes.description, size: variable.data.count, value: variable.text)
    }
  }

  /// The entry that the user of systemd-boot chose for good (systemd, "The Boot Loader Interface").
  private var defaultEntry: String? {
    guard let variable = store?.variables.first(where: { $0.key.name.description == "LoaderEntryDefault" })
    else {
      return nil
    }
    let units = stride(from: 0, to: variable.data.count - 1, by: 2).map {
      UInt16(truncatingIfNeeded: variable.data.littleEndian(at: $0, 2))
    }
    return String(decoding: units.prefix { $0 != 0 }, as: UTF16.self)
  }
}

extension DiskMap {
  /// Whether there is a filesystem that is not read here.
  var hasForeignFilesystems: Bool { parts.contains(where: \.isForeign) }

  /// Gives the filesystems that are not read here to a machine that reads them.
  ///
  /// - Returns: what could not be read, and why.
  /// - Throws: `CancellationError`.
  mutating func read(with guest: Guestfs) throws -> [String] {
    var failures: [String] = []
    for index in parts.indices where parts[index].isForeign {
      let number = parts[index].report.number
      let tree = GuestfsTree(guest, number == 0 ? "/dev/sda" : "/dev/sda\(number)", parts[index].kind)
      do {
        let usage = try tree.usage()
        (parts[index].report.content.size, parts[index].report.content.free) = (usage.size, usage.free)
        parts[index].report.content.isRead = true
        parts[index].tree = tree
        unread[number] = nil
      } catch let fault as Fault {
        failures.append("\(parts[index].word) was not read: \(fault.message)")
      }
    }
    return failures
  }

  /// The disk as a firmware sees it.
  fileprivate func bootDisk(_ files: [BootFile]) -> BootDisk {
    var disk = BootDisk(partitions: table.bootPartitions, sectorSize: table.sectorSize)
    for index in disk.partitions.indices {
      let number = Int(disk.partitions[index].number)
      guard parts.contains(where: { $0.report.number == number && $0.kind == .fat && $0.tree != nil }) else {
        continue
      }
      disk.partitions[index].files = Set(
        files.filter { $0.partition == number && !$0.path.hasSuffix("/") }
          .map { $0.path.split(separator: "/").map { #"\"# + $0 }.joined() })
    }
    return disk
  }
}

extension DiskMap.Part {
  fileprivate var isForeign: Bool { tree == nil && kind.isFilesystem && kind != .fat }
}

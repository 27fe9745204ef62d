internal import ImageModel

/// Finds what will not boot, from what a report says.
struct BootWarnings {
  private let report: ImageReport
  /// What does not fit between the variable store and the disk, a sentence each; nil without a store.
  private let storeProblems: [String]?
  /// Whether the variable store has an entry that firmware starts by itself.
  private let hasBootEntry: Bool
  private let identifiers: FilesystemIdentifiers
  private(set) var warnings: [BootWarning] = []

  /// A report of a hostile image is as readable as any other.
  private static let most = 500

  init(of report: ImageReport, storeProblems: [String]?, hasBootEntry: Bool) {
    (self.report, self.storeProblems, self.hasBootEntry) = (report, storeProblems, hasBootEntry)
    identifiers = FilesystemIdentifiers(of: report.disk)
    for fault in report.disk.faults { add(.damagedTable, "Partition table: \(fault)") }
    for entry in report.entries { check(entry) }
    checkGenerations()
    checkFirmware()
    checkRoom()
  }

  private mutating func add(_ kind: BootWarning.Kind, _ text: String) {
    let warning = BootWarning(kind: kind, text: text)
    if warnings.count < Self.most, !warnings.contains(warning) { warnings.append(warning) }
  }

  private mutating func check(_ entry: BootEntryReport) {
    let name = entry.word
    if entry.files.isEmpty { add(.missingFile, "\(name) names nothing to start") }
    for file in entry.files where file.isKnown && file.size == nil {
      add(.missingFile, "\(name): its \(file.role) '\(file.path)' is missing")
    }
    if entry.isDefault, entry.triesLeft == 0 {
      add(.noTriesLeft, "\(name) is the default, and no attempts are left for it")
    }
    let root = entry.options.split(whereSeparator: \.isWhitespace).last { $0.hasPrefix("root=") }
    let devices = entry.searches + [root.map { String($0.dropFirst(5)) }].compactMap(\.self)
    for reference in devices.compactMap(FilesystemReference.init(device:)) where identifiers.lack(reference) {
      add(.missingFilesystem, "\(name) needs \(reference.text), which nothing on the disk has")
    }
  }

  private mutating func checkGenerations() {
    for generation in report.generations {
      let name = "Generation \(generation.number) of profile '\(generation.profile)'"
      guard generation.system != nil else {
        add(.missingFile, "\(name) leads to no system")
        continue
      }
      if !generation.hasBootSpecification {
        add(.noBootSpecification, "\(name) has no boot.json, and newer boot loaders make no entry for it")
      }
      for mount in generation.mounts where !mount.isOptional {
        guard let reference = FilesystemReference(device: mount.device), identifiers.lack(reference) else {
          continue
        }
        add(
          .missingFilesystem,
          "\(name) mounts \(reference.text) at '\(mount.place)', and nothing on the disk has it")
      }
    }
  }

  private mutating func checkFirmware() {
    for problem in storeProblems ?? [] { add(.bootEntry, "EFI variables: \(problem)") }
    let systems = report.disk.partitions.filter { partition in
      partition.type.map { DiskMap.systemTypes.contains($0) } ?? false
    }
    guard let system = systems.first, system.content.isRead, !hasBootEntry,
      !report.programs.contains(where: \.isFallback)
    else { return }
    let why =
      storeProblems == nil
      ? "without a variable store that has a boot entry, firmware finds nothing to start"
      : "the variable store has no entry for the disk, so firmware finds nothing to start"
    add(
      .noFallbackLoader, "Partition \(system.number), an EFI system partition, has no fallback loader: \(why)"
    )
  }

  /// A generation whose kernel is another one brings kernel and initrd of its own.
  private mutating func checkRoom() {
    for partition in report.disk.partitions {
      let own = report.entries.filter {
        $0.partition == partition.number && $0.kind != .grub && $0.generation != nil
      }
      guard let free = partition.content.free else { continue }
      let need = own.map { entry in
        entry.files.compactMap(\.size).reduce(ByteSize(bytes: 0)) { $0 + ByteSize(bytes: $1) }
      }
      .max()
      guard let need, need.bytes > free else { continue }
      add(
        .fullBootPartition,
        "Partition \(partition.number) has \(ByteSize(bytes: free)) free, and one more generation needs up to \(need)"
      )
    }
  }
}

extension BootEntryReport {
  /// What is said of it in warnings.
  var word: String {
    switch kind {
    case .type1, .unified: "Entry '\(identifier)'"
    case .grub: "Menu entry '\(title)'"
    }
  }
}

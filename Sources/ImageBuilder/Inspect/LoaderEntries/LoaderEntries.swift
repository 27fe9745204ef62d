internal import Basics
internal import ImageModel
internal import ImageReading

/// What the boot loaders of a disk offer, read from its filesystems.
struct LoaderEntries {
  private(set) var entries: [BootEntryReport] = []
  private(set) var notes: [String] = []

  private let parts: [DiskMap.Part]
  /// What systemd-boot goes by, in the order of `entries`.
  private var keys: [EntryOrder.Key] = []

  static let unifiedFolder = "/EFI/Linux"
  private static let entryFolder = "/loader/entries"
  /// More than any menu offers.
  private static let most = 2000
  /// More than any entry loads.
  private static let mostFiles = 100

  /// - Parameters:
  ///   - parts: the disk's.
  ///   - override: the entry that the variable `LoaderEntryDefault` names.
  /// - Throws: `CancellationError`, and what reading throws but for damage, which becomes a note.
  init(of parts: [DiskMap.Part], override: String?) throws {
    self.parts = parts
    var configuration = LoaderConfiguration("")
    for part in parts where part.isBootPartition {
      try noting(part) { reader, tree in
        try reader.readType1(part, tree)
        try reader.readUnified(part, tree)
        if let text = try tree.file(LoaderConfiguration.place, limit: LoaderConfiguration.sizeLimit) {
          configuration = LoaderConfiguration(String(decoding: text, as: UTF8.self))
        }
      }
    }
    let order = keys.indices.sorted { EntryOrder.precedes(keys[$0], keys[$1]) }
    (entries, keys) = (order.map { entries[$0] }, order.map { keys[$0] })
    if let index = configuration.defaultIndex(of: keys.map(\.name), override: override) {
      entries[index].isDefault = true
    }
    for part in parts {
      try noting(part) { reader, tree in
        guard let place = try GRUBMenu.places.first(where: { try tree.resolve($0)?.node.kind == .file })
        else {
          return
        }
        try reader.readGRUB(place, part, tree)
      }
    }
  }

  /// Runs code that reads a part's files; damage of its filesystem ends that alone.
  private mutating func noting(_ part: DiskMap.Part, _ body: (inout Self, any ReadableTree) throws -> Void)
    throws
  {
    guard let tree = part.tree else { return }
    do {
      try body(&self, tree)
    } catch let error as UnreadableStructure {
      notes.append("\(part.word) was not read to its end: \(error.reason)")
    } catch let fault as Fault {
      notes.append("\(part.word) was not read to its end: \(fault.message)")
    }
  }

  // MARK: - The boot loader specification

  private mutating func readType1(_ part: DiskMap.Part, _ tree: any ReadableTree) throws {
    for file in try tree.sortedNames(in: Self.entryFolder).prefix(Self.most) {
      try Cancellation.check()
      let place = "\(Self.entryFolder)/\(file)"
      guard let name = EntryName(file, suffix: ".conf"),
        let bytes = try tree.file(place, limit: Type1Entry.sizeLimit)
      else { continue }
      let entry = Type1Entry(String(decoding: bytes, as: UTF8.self))
      let options = entry.options.joined(separator: " ")
      add(
        BootEntryReport(
          kind: .type1, name, part, file: place, title: entry.title, version: entry.version,
          sortKey: entry.sortKey, machineID: entry.machineID, options: options,
          files: try entry.files.prefix(Self.mostFiles).map { try Self.file($0.role, $0.path, tree) }), name)
    }
  }

  private mutating func readUnified(_ part: DiskMap.Part, _ tree: any ReadableTree) throws {
    for file in try tree.sortedNames(in: Self.unifiedFolder).prefix(Self.most) {
      try Cancellation.check()
      let place = "\(Self.unifiedFolder)/\(file)"
      guard let name = EntryName(file, suffix: ".efi"), let found = try tree.resolve(place),
        found.node.kind == .file,
        let image = try EFISections({ try tree.content(found.path, at: $1, count: $0) }), image.has(".linux")
      else { continue }
      let release = OSRelease(try image.text(".osrel") ?? "")
      var report = BootEntryReport(
        kind: .unified, name, part, file: place, title: release.title, version: release.version,
        sortKey: release.sortKey, machineID: nil, options: try image.text(".cmdline") ?? "",
        files: [.init(role: "efi", path: place, size: found.node.size, isKnown: true)])
      report.sections = image.sections.map { .init(name: $0.name, size: $0.size) }
      add(report, name)
    }
  }

  private mutating func add(_ report: BootEntryReport, _ name: EntryName) {
    guard entries.count < Self.most else { return }
    entries.append(report)
    keys.append(
      EntryOrder.Key(
        name: name, sortKey: report.sortKey, machineID: report.machineID, version: report.version))
  }

  private static func file(_ role: String, _ path: String, _ tree: any ReadableTree) throws
    -> BootEntryReport.File
  {
    let node = try tree.resolve(path)?.node
    return .init(role: role, path: path, size: node?.kind == .file ? node?.size : nil, isKnown: true)
  }

  // MARK: - GRUB

  private mutating func readGRUB(_ place: String, _ part: DiskMap.Part, _ tree: any ReadableTree) throws {
    guard let bytes = try tree.file(place, limit: GRUBMenu.sizeLimit) else {
      notes.append("'\(place)' of \(part.word) is larger than any menu")
      return
    }
    let menu = GRUBMenu(String(decoding: bytes, as: UTF8.self))
    let first = menu.defaultIndex
    for (index, entry) in menu.entries.enumerated() where !entry.files.isEmpty {
      try Cancellation.check()
      guard entries.count < Self.most else { return }
      var report = BootEntryReport(
        kind: .grub, nil, part, file: place, title: entry.titles.joined(separator: " > "), version: nil,
        sortKey: nil, machineID: nil, options: entry.options,
        files: try entry.files.prefix(Self.mostFiles).map { try file($0, of: part) })
      report.identifier = entry.index
      for search in entry.files.prefix(Self.mostFiles).compactMap(\.search) where search.kind != .file {
        let text = search.kind == .uuid ? "UUID=\(search.value)" : "LABEL=\(search.value)"
        if !report.searches.contains(text) { report.searches.append(text) }
      }
      report.isDefault = index == first
      entries.append(report)
    }
  }

  private func file(_ file: GRUBMenu.File, of part: DiskMap.Part) throws -> BootEntryReport.File {
    let unknown = BootEntryReport.File(role: file.role, path: file.path, size: nil, isKnown: false)
    guard let tree = try tree(for: file.search, of: part) else { return unknown }
    do {
      return try Self.file(file.role, file.path, tree)
    } catch is UnreadableStructure {
      return unknown
    }
  }

  private func tree(for search: GRUBMenu.Search?, of part: DiskMap.Part) throws -> (any ReadableTree)? {
    guard let search else { return part.tree }
    return try parts.first { other in
      switch search.kind {
      case .uuid: other.report.content.uuid?.lowercased() == search.value.lowercased()
      case .label: other.report.content.label == search.value
      case .file: try other.tree?.resolve(search.value) != nil
      }
    }?.tree
  }
}

extension BootEntryReport {
  /// - Parameter name: the file's name; nil for an entry that shares its file with others.
  fileprivate init(
    kind: Kind, _ name: EntryName?, _ part: DiskMap.Part, file: String, title: String?, version: String?,
    sortKey: String?, machineID: String?, options: String, files: [File]
  ) {
    self.init(
      kind: kind, identifier: name?.identifier ?? "", partition: part.report.number, file: file,
      title: title ?? name?.identifier ?? "", version: version, sortKey: sortKey, machineID: machineID,
      triesLeft: name?.triesLeft, triesDone: name?.triesDone, files: files, options: options, sections: [],
      searches: [], isDefault: false)
    if let found = name?.generation {
      (profile, generation, specialisation) = (found.profile, found.number, found.specialisation)
    }
    // The kernel's last one counts.
    let word = options.split(whereSeparator: \.isWhitespace).last { $0.hasPrefix("init=") }
    if let word, word.hasSuffix("/init") { system = String(word.dropFirst(5).dropLast(5)) }
  }
}

/// Finds the generation that an entry starts.
struct GenerationIndex {
  private let generations: [GenerationReport]
  private var systems: [String: [Int]] = [:]
  private var specialisations: [String: [(index: Int, name: String)]] = [:]

  init(_ generations: [GenerationReport]) {
    self.generations = generations
    for (index, generation) in generations.enumerated() {
      if let system = generation.system { systems[system, default: []].append(index) }
      for inner in generation.specialisations {
        if let system = inner.system { specialisations[system, default: []].append((index, inner.name)) }
      }
    }
  }

  /// Says which generation an entry starts: by its system, or else by what its name says.
  func join(_ entry: inout BootEntryReport) {
    guard let system = entry.system else { return }
    let named = entry.generation
    // Of several generations of one system, its name tells; or else the latest has it.
    func best(_ indices: [Int]) -> Int? {
      indices.first { generations[$0].number == named }
        ?? indices.max { generations[$0].number < generations[$1].number }
    }
    if let index = best(systems[system] ?? []) {
      entry.specialisation = nil
      (entry.profile, entry.generation) = (generations[index].profile, generations[index].number)
    } else if let outer = specialisations[system], let index = best(outer.map(\.index)) {
      entry.specialisation = outer.first { $0.index == index }?.name
      (entry.profile, entry.generation) = (generations[index].profile, generations[index].number)
    }
  }
}

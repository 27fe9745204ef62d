internal import Basics
internal import ImageReading

/// The files of the boot partitions, and the EFI programs among them.
struct BootPartitionFiles {
  private(set) var files: [BootFile] = []
  private(set) var programs: [BootProgramReport] = []
  private(set) var notes: [String] = []
  /// Whether there are more files than are listed.
  private var isCut = false

  /// More than any boot partition has.
  private static let most = 5000
  private static let mostLevels = 16

  /// - Parameter entries: what boot menus offer; what they load is no boot loader.
  /// - Throws: `CancellationError`, and what reading throws but for damage, which becomes a note.
  init(of parts: [DiskMap.Part], _ entries: [BootEntryReport]) throws {
    for part in parts where part.isBootPartition {
      guard let tree = part.tree else { continue }
      let loaded = Set(
        entries.filter { $0.partition == part.report.number && $0.kind != .grub }
          .flatMap(\.files).map { $0.path.lowercased() })
      do {
        try list("", part.report.number, tree, level: 0)
        for file in files
        where file.partition == part.report.number && file.path.lowercased().hasSuffix(".efi") {
          try Cancellation.check()
          guard !loaded.contains(file.path.lowercased()) else { continue }
          try addProgram(file, tree)
        }
        if isCut { notes.append("Not all files of \(part.word) are listed") }
        isCut = false
      } catch let error as UnreadableStructure {
        notes.append("\(part.word) was not read to its end: \(error.reason)")
      } catch let fault as Fault {
        notes.append("\(part.word) was not read to its end: \(fault.message)")
      }
    }
  }

  private mutating func list(_ folder: String, _ partition: Int, _ tree: any ReadableTree, level: Int) throws
  {
    for name in try tree.names(in: folder.isEmpty ? "/" : folder).sorted() {
      try Cancellation.check()
      guard files.count < Self.most, level < Self.mostLevels else {
        isCut = true
        return
      }
      let path = "\(folder)/\(name)"
      guard let node = try tree.node(path) else { continue }
      files.append(
        BootFile(partition: partition, path: node.kind == .folder ? path + "/" : path, size: node.size))
      if node.kind == .folder { try list(path, partition, tree, level: level + 1) }
    }
  }

  private mutating func addProgram(_ file: BootFile, _ tree: any ReadableTree) throws {
    let read = { (count: Int, offset: UInt64) in try tree.content(file.path, at: offset, count: count) }
    guard let sections = try EFISections(read) else { return }
    let fallback = "/" + Architecture.current.fallbackLoader.split(separator: "\\").joined(separator: "/")
    programs.append(
      BootProgramReport(
        partition: file.partition, path: file.path, name: try Self.name(sections),
        isFallback: file.path.lowercased() == fallback.lowercased()))
  }

  /// systemd-boot has a section of its own for its name, others their record of SBAT (shim, SBAT.md): component, generation,
  /// vendor, package, version.
  private static func name(_ sections: EFISections) throws -> String? {
    if let text = try sections.text(".sdmagic") {
      let words = text.split(separator: " ").filter { !$0.hasPrefix("####") && $0 != "LoaderInfo:" }
      if !words.isEmpty { return words.joined(separator: " ") }
    }
    let lines = try sections.text(".sbat")?.split(whereSeparator: \.isNewline) ?? []
    guard let fields = lines.first(where: { !$0.hasPrefix("sbat,") })?.split(separator: ","), fields.count > 4
    else { return nil }
    return "\(fields[3]) \(fields[4])"
  }
}

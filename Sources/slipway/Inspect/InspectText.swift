internal import Basics
internal import Foundation
internal import ImageBuilder
internal import ImageModel

/// What an image has, as lines for people: a heading for each kind of thing, and a table below it.
enum InspectText {
  static func lines(_ report: ImageReport) -> [String] {
    var lines = [
      "\(report.image.file): \(report.image.format.rawValue), \(ByteSize(bytes: report.image.fileSize)), "
        + "with a disk of \(ByteSize(bytes: report.disk.size))"
    ]
    func add(_ heading: String, _ rows: [[String]], titles: [String] = []) {
      guard !rows.isEmpty else { return }
      // Escaped before columns are measured.
      let cells = rows.map { $0.map(TerminalText.escaped) }
      lines += ["", heading] + TextTable.lines((titles.isEmpty ? [] : [titles]) + cells).map { "  " + $0 }
    }
    add("What will not boot", report.warnings.map { [$0.text] })
    add(
      tableHeading(report.disk), report.disk.partitions.map(partition),
      titles: ["#", "START", "SIZE", "FREE", "CONTENT", "LABEL", "UUID", "TYPE", "NAME"])
    add(
      "Boot entries", report.entries.map(entry), titles: ["", "ENTRY", "TITLE", "VERSION", "STARTS", "TRIES"])
    add(
      "Generations", report.generations.map(generation),
      titles: ["", "PROFILE", "#", "SYSTEM", "SPECIALISATIONS"])
    if let database = report.nixDatabase {
      add("Nix database", [[InspectWords.summary(of: database)]])
    }
    add(
      "EFI programs", report.programs.map { ["\($0.partition)", $0.path, InspectWords.name(of: $0)] },
      titles: ["#", "PATH", "NAME"])
    add(
      "Files of boot partitions", report.bootFiles.map { ["\($0.partition)", "\($0.size)", $0.path] },
      titles: ["#", "BYTES", "PATH"])
    add(
      "EFI variables", (report.efiVariables ?? []).map { [$0.name, $0.attributes, $0.value] },
      titles: ["NAME", "ATTRIBUTES", "VALUE"])
    add("Build", (report.build?.steps ?? []).map { [$0.name, InspectWords.seconds($0.seconds)] })
    return lines
  }

  /// All of it, as sorted, indented JSON.
  static func json(_ report: ImageReport) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(report), as: UTF8.self) + "\n"
  }

  private static func tableHeading(_ disk: DiskReport) -> String {
    "Partitions (\(InspectWords.table(of: disk)))"
  }

  private static func partition(_ partition: PartitionReport) -> [String] {
    [
      InspectWords.number(of: partition), "\(partition.start)", "\(ByteSize(bytes: partition.size))",
      partition.content.free.map { "\(ByteSize(bytes: $0))" } ?? "-", partition.content.kind,
      partition.content.label ?? "-", partition.content.uuid ?? "-", InspectWords.type(of: partition),
      partition.name,
    ]
  }

  private static func entry(_ entry: BootEntryReport) -> [String] {
    [
      entry.isDefault ? "*" : " ", entry.identifier, entry.title, entry.version ?? "-",
      InspectWords.generation(of: entry) ?? "-", InspectWords.tries(of: entry) ?? "-",
    ]
  }

  private static func generation(_ generation: GenerationReport) -> [String] {
    [
      generation.isDefault ? "*" : " ", generation.profile, "\(generation.number)", generation.system ?? "-",
      generation.specialisations.map(\.name).joined(separator: ", "),
    ]
  }
}

/// Words that the text and the page have in common.
enum InspectWords {
  static func table(of disk: DiskReport) -> String {
    let name = disk.table == .none ? "no table" : disk.table.rawValue
    return ([name] + [disk.identifier].compactMap(\.self) + ["\(disk.sectorSize) bytes a sector"]).joined(
      separator: ", ")
  }

  static func number(of partition: PartitionReport) -> String {
    partition.number == 0 ? "-" : "\(partition.number)"
  }

  static func type(of partition: PartitionReport) -> String {
    partition.typeName ?? partition.type?.description ?? "-"
  }

  static func generation(of entry: BootEntryReport) -> String? {
    guard let number = entry.generation else { return nil }
    let profile = entry.profile == nil || entry.profile == "system" ? "" : " of \(entry.profile ?? "")"
    return "generation \(number)\(profile)" + (entry.specialisation.map { ", \($0)" } ?? "")
  }

  static func tries(of entry: BootEntryReport) -> String? {
    entry.triesLeft.map { "\($0) left" + (entry.triesDone.map { ", \($0) done" } ?? "") }
  }

  static func name(of program: BootProgramReport) -> String {
    (program.name ?? "-") + (program.isFallback ? ", the fallback loader" : "")
  }

  static func summary(of database: NixDatabaseReport) -> String {
    "\(database.paths) store paths of \(ByteSize(bytes: database.narSize)), with \(database.references) references"
  }

  static func seconds(_ seconds: Double) -> String {
    guard seconds.isFinite, abs(seconds) < 1e9 else { return "-" }
    let tenths = Int((seconds * 10).rounded())
    return "\(tenths / 10).\(abs(tenths) % 10) s"
  }
}

internal import AgentProtocol
internal import Command
internal import FoundationEssentials
internal import ImageModel
internal import Threads

extension PartitionDisk {
  /// Writes the table with sfdisk, and proves that it is the one asked for.
  ///
  /// sfdisk cuts a name that is too long, and clamps a size given in other units than sectors, both with
  /// status 0; so the table is read back and compared in every field.
  func run(in context: StepContext) async throws {
    let disk = try await onThread { [disk] in try context.devices.disk(serial: disk) }
    // Nothing is wiped: the host may have written filesystems to their places on the disk already. The kernel
    // is told by us: sfdisk sleeps 250 ms before it does, and only warns when it fails.
    try await context.run(
      Command(
        "sfdisk",
        [
          "--quiet", "--no-reread", "--no-tell-kernel", "--wipe", "never", "--wipe-partitions", "never",
          disk.node,
        ],
        input: layout.sfdiskScript))
    let read = Command("sfdisk", ["--json", disk.node])
    let table = try SfdiskTable(json: try await context.commands.run(read))
    let differences = table.differences(from: layout)
    guard differences.isEmpty else {
      throw StepFailure(
        message: "the partition table on \(disk.node) is not the one asked for: "
          + differences.joined(separator: "; "),
        command: read.description)
    }
    try await onThread { [layout] in try layout.adopt(on: disk) }
  }
}

extension DiskLayout {
  /// The table as sfdisk's script, with nothing left to sfdisk's choice.
  var sfdiskScript: String {
    // The first sector after the protective MBR, the header and 128 entries of 128 bytes (UEFI 2.10, 5.3).
    let firstUsable = 2 + (128 * 128 + sectorSize - 1) / sectorSize
    let header = ["label: gpt", "label-id: \(guid)", "unit: sectors", "first-lba: \(firstUsable)"]
    let lines = partitions.map { partition in
      "\(partition.number) : start=\(partition.start), size=\(partition.sectors), type=\(partition.type), "
        + "uuid=\(partition.guid), name=\"\(sfdiskQuoted(partition.name))\""
    }
    return (header + [""] + lines).joined(separator: "\n") + "\n"
  }

  /// Checks that the kernel has taken the table over, and makes the links that udev would make.
  fileprivate func adopt(on disk: Disk) throws {
    try disk.rereadTable()
    let unit = sectorSize / 512
    for partition in partitions {
      let device = try disk.partition(partition.number)
      guard try device.extent() == (partition.start * unit, partition.sectors * unit) else {
        throw StepFailure(
          message: "the kernel still has another extent for \(device.node) than the table says")
      }
      try device.linkByPartition(guid: partition.guid, name: partition.name)
    }
  }
}

/// A name within quotes of an sfdisk script, in which `\xNN` stands for a byte.
private func sfdiskQuoted(_ name: String) -> String {
  name.utf8.reduce(into: "") { quoted, byte in
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), 0..<0x20, 0x7f...:
      quoted += "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
    default: quoted.unicodeScalars.append(Unicode.Scalar(byte))
    }
  }
}

/// What `sfdisk --json` prints.
struct SfdiskTable: Decodable {
  struct Entry: Decodable {
    var node: String
    var start: UInt64
    var size: UInt64
    var type: String
    var uuid: String?
    var name: String?
  }

  var label: String
  var id: String
  var unit: String
  var sectorsize: UInt64?
  var partitions: [Entry]?

  /// - Throws: `StepFailure` when the text is not sfdisk's.
  init(json: String) throws {
    struct Document: Decodable {
      var partitiontable: SfdiskTable
    }
    do {
      self = try JSONDecoder().decode(Document.self, from: Data(json.utf8)).partitiontable
    } catch {
      throw StepFailure(
        message:
          "the partition table could not be read back: sfdisk printed no table that can be read (\(error))")
    }
  }

  /// What is not as the layout wants it, one phrase each.
  func differences(from layout: DiskLayout) -> [String] {
    var differences: [String] = []
    func compare(_ what: String, _ actual: String?, _ wanted: String) {
      if actual != wanted { differences.append("\(what) is \(actual ?? "missing") instead of \(wanted)") }
    }
    compare("the label", label, "gpt")
    compare("the disk GUID", id.lowercased(), layout.guid.description)
    compare("the unit", unit, "sectors")
    compare("the sector size", sectorsize.map(String.init), String(layout.sectorSize))
    let entries = partitions ?? []
    compare("the number of partitions", String(entries.count), String(layout.partitions.count))
    for wanted in layout.partitions {
      let number = wanted.number
      guard let entry = entries.first(where: { partitionNumber(of: $0.node) == number }) else {
        differences.append("partition \(number) is missing")
        continue
      }
      compare("the start of partition \(number)", String(entry.start), String(wanted.start))
      compare("the size of partition \(number)", String(entry.size), String(wanted.sectors))
      compare("the type of partition \(number)", entry.type.lowercased(), wanted.type.description)
      compare("the GUID of partition \(number)", entry.uuid?.lowercased(), wanted.guid.description)
      compare("the name of partition \(number)", entry.name ?? "", wanted.name)
    }
    return differences
  }
}

/// The number at the end of a partition's node.
private func partitionNumber(of node: String) -> Int? {
  Int(String(node.reversed().prefix { $0.isNumber }.reversed()))
}

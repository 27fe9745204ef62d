package import Basics
internal import FoundationEssentials
package import ImageModel

/// What `sfdisk --json` prints.
package struct SfdiskTable: Decodable {
  struct Entry: Decodable {
    var node: String
    var start: UInt64
    var size: UInt64
    var type: String
    var uuid: String?
    var name: String?
    var bootable: Bool?
  }

  var label: String
  var id: String
  var unit: String
  var sectorsize: UInt64?
  var partitions: [Entry]?

  /// - Throws: `Fault` when the text is not sfdisk's.
  package init(json: String) throws(Fault) {
    struct Document: Decodable {
      var partitiontable: SfdiskTable
    }
    do {
      self = try JSONDecoder().decode(Document.self, from: Data(json.utf8)).partitiontable
    } catch {
      throw Fault(
        .failed, "the partition table could not be read back",
        cause: "sfdisk printed no table that can be read (\(error))")
    }
  }

  /// What is not as the layout wants it, one phrase each.
  package func differences(from layout: DiskLayout) -> [String] {
    var differences: [String] = []
    func compare(_ what: String, _ actual: String?, _ wanted: String) {
      if actual != wanted { differences.append("\(what) is \(actual ?? "missing") instead of \(wanted)") }
    }
    compare("the label", label, layout.table.sfdiskLabel)
    compare("the disk's identifier", id.lowercased(), layout.sfdiskIdentifier)
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
      compare("the type of partition \(number)", entry.type.lowercased(), wanted.type?.description ?? "")
      if layout.table == .mbr {
        compare(
          "the active flag of partition \(number)", "\(entry.bootable ?? false)",
          "\(layout.activePartition == number)")
      }
      guard layout.table == .gpt else { continue }
      compare("the GUID of partition \(number)", entry.uuid?.lowercased(), wanted.guid?.description ?? "")
      compare("the name of partition \(number)", entry.name ?? "", wanted.name)
    }
    return differences
  }
}

/// The number at the end of a partition's node.
private func partitionNumber(of node: String) -> Int? {
  Int(String(node.reversed().prefix { $0.isNumber }.reversed()))
}

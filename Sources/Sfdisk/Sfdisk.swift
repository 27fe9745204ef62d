internal import Basics
package import Command
package import ImageModel

/// The tool that writes partition tables, on a disk in the guest or on a file of the host.
package enum Sfdisk {
  /// Writes a layout's table.
  ///
  /// Nothing is wiped: filesystems may be in their places on the disk already. The kernel is told by others:
  /// sfdisk sleeps 250 ms before it does, and only warns when it fails.
  ///
  /// - Parameters:
  ///   - disk: a device, or a name in `folder`.
  ///   - folder: where it runs.
  package static func write(_ layout: DiskLayout, to disk: String, in folder: String? = nil) -> Command {
    Command(
      "sfdisk",
      ["--quiet", "--no-reread", "--no-tell-kernel", "--wipe", "never", "--wipe-partitions", "never", disk],
      input: layout.sfdiskScript, folder: folder)
  }

  /// Prints the table that a disk has, for `SfdiskTable`.
  package static func read(_ disk: String, in folder: String? = nil) -> Command {
    Command("sfdisk", ["--json", disk], folder: folder)
  }
}

extension DiskLayout {
  /// The table as sfdisk's script, with nothing left to sfdisk's choice.
  package var sfdiskScript: String {
    var header = ["label: \(table.sfdiskLabel)", "label-id: \(sfdiskIdentifier)", "unit: sectors"]
    if table == .gpt {
      // The first sector after the protective MBR, the header and 128 entries of 128 bytes (UEFI 2.10, 5.3).
      header.append("first-lba: \(2 + (128 * 128 + sectorSize - 1) / sectorSize)")
    }
    let lines = partitions.map { partition in
      var fields = ["start=\(partition.start)", "size=\(partition.sectors)"]
      if let type = partition.type { fields.append("type=\(type)") }
      if let guid = partition.guid { fields.append("uuid=\(guid)") }
      if table == .gpt { fields.append("name=\"\(sfdiskQuoted(partition.name))\"") }
      if partition.number == activePartition { fields.append("bootable") }
      return "\(partition.number) : \(fields.joined(separator: ", "))"
    }
    return (header + [""] + lines).joined(separator: "\n") + "\n"
  }

  /// The disk's identifier as sfdisk spells it.
  var sfdiskIdentifier: String {
    table == .mbr ? "0x" + guid.description.prefix(8) : guid.description
  }
}

extension TableFormat {
  /// sfdisk's name for it.
  var sfdiskLabel: String {
    switch self {
    case .gpt: "gpt"
    case .mbr: "dos"
    case .none: ""
    }
  }
}

/// A name within quotes of an sfdisk script, in which `\xNN` stands for a byte.
private func sfdiskQuoted(_ name: String) -> String {
  name.utf8.reduce(into: "") { quoted, byte in
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), 0..<0x20, 0x7f...:
      quoted += "\\x" + Hexadecimal.text([byte])
    default: quoted.unicodeScalars.append(Unicode.Scalar(byte))
    }
  }
}

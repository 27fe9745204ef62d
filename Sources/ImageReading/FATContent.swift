internal import Basics

extension FATFilesystem {
  /// The entries of the root directory.
  ///
  /// - Throws: `UnreadableStructure`, and what reading throws.
  package func rootEntries() throws -> [FATEntry] { try entries(width == 32 ? rootChain() : nil) }

  /// A part of a file's content; fewer bytes at its end.
  ///
  /// - Parameters:
  ///   - chain: the file's clusters.
  ///   - count: bytes, at most 16 MiB.
  /// - Throws: `UnreadableStructure` for a file that is longer than its clusters, and what reading throws.
  package func content(of entry: FATEntry, _ chain: [UInt64], at offset: UInt64, count: Int) throws -> [UInt8]
  {
    guard offset < entry.size else { return [] }
    let end = offset + min(UInt64(count), entry.size - offset)
    var content: [UInt8] = []
    var position = offset
    while position < end {
      let index = position / clusterSize
      guard index < UInt64(chain.count) else {
        throw UnreadableStructure("it has a file that is longer than its clusters")
      }
      let cluster = place(of: chain[Int(index)])
      let start = cluster.lowerBound + position % clusterSize
      let length = min(cluster.upperBound - start, end - position)
      content += try bytes(start..<start + length)
      position += length
    }
    return content
  }

  /// How many clusters no file has, counted in the first table: the count that FAT32 keeps is only a hint.
  package func freeClusters() -> UInt64 {
    (2..<clusters + 2).reduce(0) { $0 + (isFree($1) ? 1 : 0) }
  }

  private var end: Int { width == 32 ? 64 : 36 }

  /// The identifier of the volume, as Linux writes it.
  package var identifier: String {
    let digits = String(bootSector.littleEndian(at: end + 3, 4), radix: 16, uppercase: true)
    let padded = String(repeating: "0", count: 8 - digits.count) + digits
    return "\(padded.prefix(4))-\(padded.suffix(4))"
  }

  /// The label: that of the root directory, or else that of the boot sector; nil without one.
  ///
  /// - Throws: `UnreadableStructure`, and what reading throws.
  package func label() throws -> String? {
    let entry = try rootEntries().first { $0.isLabel }
    var bytes = entry.map { Array($0.record[..<11]) } ?? Array(bootSector[end + 7..<end + 18])
    while bytes.last == 0x20 || bytes.last == 0 { bytes.removeLast() }
    return bytes.isEmpty || bytes == Array("NO NAME".utf8) ? nil : printableName(bytes)
  }
}

internal import ImageModel

/// What is known to go onto the FAT partitions of a disk, held against their size before any VM starts.
struct BootSpace {
  let closure: ClosureFacts
  let installsBootLoader: Bool
  let sectorSize: UInt64

  /// The bootloader with its entries; and the tables of a filesystem of the usual size.
  private static let bootLoader: UInt64 = 4 << 20

  /// - Throws: `SpecError` for the first partition that is too small.
  func check(_ geometry: DiskGeometry, _ spec: ResolvedSpec) throws(SpecError) {
    for part in geometry.parts {
      try check(part) { need in
        let start = part.start >> 20
        guard part.end == spec.bootSize.bytes else {
          return (
            "contents", "Use the partition table \"efi\", whose ESP bootSize makes larger, or leave some out"
          )
        }
        return (
          "bootSize",
          "Set bootSize to at least \(Self.mebibytes(need) + start)M; it is the end offset of \(part.name), which "
            + "starts at \(start)M"
        )
      }
    }
    for (part, entry) in zip(geometry.further, spec.further) where entry.fsType == .vfat {
      try check(part) { need in ("partitions", "Give it at least \(Self.mebibytes(need))M") }
    }
  }

  private func check(
    _ part: Layout.Part, _ remedy: (UInt64) -> (key: String, text: String)
  ) throws(SpecError) {
    guard let place = part.mountPoint else { return }
    let size = part.size.bytes
    let layout = FATLayout(size: size, sectorSize: sectorSize)
    let contents =
      closure.contentSizes[place]?.bytes(
        clusterSize: layout?.clusterSize ?? max(512, sectorSize)) ?? 0
    let tables = layout.map { size - min(size, $0.clusters * $0.clusterSize) } ?? 0
    let isBoot = place == "/boot" && installsBootLoader
    guard isBoot || contents > 0 else { return }
    let others = isBoot ? closure.bootFiles.bytes.addingSaturated(Self.bootLoader) : tables
    let need = contents.addingSaturated(others)
    guard need > size else { return }
    let what = [isBoot ? "the kernels, initrds and bootloader" : nil, contents > 0 ? "the contents" : nil]
      .compactMap(\.self).joined(separator: " and ")
    let (key, text) = remedy(need)
    throw SpecError(
      key, "the partition \(part.name) has \(part.size), and \(what) need \(ByteSize(bytes: need))",
      remedy: text)
  }

  /// One more than the whole MiB.
  private static func mebibytes(_ bytes: UInt64) -> UInt64 { bytes >> 20 + 1 }
}

extension UInt64 {
  fileprivate func addingSaturated(_ other: UInt64) -> UInt64 {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? .max : sum
  }
}

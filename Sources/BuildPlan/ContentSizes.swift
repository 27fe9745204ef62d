internal import ImageModel

/// What files and directories take of a FAT filesystem, which keeps them in clusters and has no holes.
package struct ContentSizes: Hashable, Sendable {
  private var bytes: [UInt64: UInt64] = [:]

  package init() {}

  /// Counts a file of that size.
  package mutating func addFile(_ size: UInt64) {
    for clusterSize in FATLayout.clusterSizes {
      let (rest, whole) = (size % clusterSize, size / clusterSize * clusterSize)
      let rounded = whole.addingReportingOverflow(rest > 0 ? clusterSize : 0)
      let sum = bytes[clusterSize, default: 0].addingReportingOverflow(rounded.partialValue)
      bytes[clusterSize] = rounded.overflow || sum.overflow ? .max : sum.partialValue
    }
  }

  /// Counts a directory, which has one cluster at least.
  package mutating func addDirectory() {
    addFile(1)
  }

  /// All of it, in bytes.
  func bytes(clusterSize: UInt64) -> UInt64 { bytes[clusterSize] ?? 0 }
}

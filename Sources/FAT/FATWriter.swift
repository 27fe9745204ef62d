internal import Basics
package import SystemPackage

/// Writes FAT filesystems whose bytes depend on their nodes alone: in sorted order, one after the other.
package enum FAT {
  /// Writes a filesystem.
  ///
  /// - Parameters:
  ///   - nodes: what is in it, in any order; each directory is there before or after what is in it.
  ///   - volume: its place and identifiers.
  ///   - file: where it is written; there are only zeros in its place.
  ///   - offset: where it begins in the file, in bytes.
  /// - Throws: `Fault` for nodes that FAT cannot hold, and when they need more room than there is; `Errno`;
  ///   `CancellationError`.
  package static func write(
    _ nodes: [FATNode], _ volume: FATVolume, to file: FileDescriptor, at offset: UInt64
  ) throws {
    let geometry = try FATGeometry(sectors: volume.sectors, sectorSize: volume.sectorSize)
    var writer = FATWriter(volume: volume, geometry: geometry, file: file, offset: offset)
    try writer.write(try FATDirectory(nodes))
  }
}

/// A directory with all that is below it, sorted.
struct FATDirectory {
  let entries: [Entry]

  struct Entry {
    let name: FATName
    let time: FATTime
    let kind: Kind
  }

  enum Kind {
    case directory(FATDirectory)
    case file(FATContent)
  }

  init(_ nodes: [FATNode]) throws {
    let nodes = nodes.map {
      (path: $0.path.split(separator: "/", omittingEmptySubsequences: false)[...], node: $0)
    }
    try self.init(nodes, path: "")
  }

  private typealias Item = (path: ArraySlice<Substring>, node: FATNode)

  private init(_ nodes: [Item], path: String) throws {
    let groups = Dictionary(grouping: nodes) { String($0.path.first ?? "") }
    // By the bytes of their names, which no locale changes.
    let names = groups.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    let made = try FATName.all(of: names, in: path)
    entries = try zip(names, made).map { name, made in
      let items = groups[name] ?? []
      let place = "\(path)/\(name)"
      let own = items.filter { $0.path.count == 1 }
      guard own.count == 1, let node = own.first?.node else {
        throw Fault(
          .failed, "could not write \(place) to FAT",
          cause: own.isEmpty ? "its directory is missing" : "it is there twice")
      }
      let below = items.filter { $0.path.count > 1 }
      switch node.kind {
      case .file(let content):
        guard below.isEmpty else {
          throw Fault(
            .failed, "could not write \(place) to FAT", cause: "it is a file, and something is in it")
        }
        guard content.size <= UInt64(UInt32.max) else {
          throw Fault(.failed, "could not write \(place) to FAT", cause: "FAT holds files of less than 4 GiB")
        }
        return Entry(name: made, time: FATTime(node.time), kind: .file(content))
      case .directory:
        let directory = try FATDirectory(below.map { ($0.path.dropFirst(), $0.node) }, path: place)
        return Entry(name: made, time: FATTime(node.time), kind: .directory(directory))
      }
    }
  }
}

private struct FATWriter {
  let volume: FATVolume
  let geometry: FATGeometry
  let file: FileDescriptor
  let offset: UInt64
  /// The next cluster that nothing has.
  private var next: UInt64 = 2
  /// The clusters of each file and directory, which lie in one piece: the first, and how many.
  private var runs: [(first: UInt64, count: UInt64)] = []

  init(volume: FATVolume, geometry: FATGeometry, file: FileDescriptor, offset: UInt64) {
    self.volume = volume
    self.geometry = geometry
    self.file = file
    self.offset = offset
  }

  mutating func write(_ root: FATDirectory) throws {
    let time = FATTime(volume.time)
    let label =
      volume.label.isEmpty
      ? [] : entry(BootSector(volume: volume, geometry: geometry).label, 0x08, time, 0, 0)
    let size = UInt64(label.count) + Self.size(of: root)
    if geometry.width == .fat32 {
      let first = try claim(max(size, 1))
      try put(label + contents(of: root, in: first, parent: 0), at: geometry.place(of: first))
    } else {
      guard size <= UInt64(geometry.width.rootEntries) * 32 else {
        throw Fault(
          .failed,
          "the root directory of a small FAT has \(geometry.width.rootEntries) entries, and more are needed")
      }
      try put(label + contents(of: root, in: 0, parent: 0), at: geometry.rootStart)
    }
    try writeTables()
    try writeBootSectors()
  }

  /// Bytes of a directory's own entries, without those for itself and its parent.
  private static func size(of directory: FATDirectory) -> UInt64 {
    UInt64(directory.entries.reduce(0) { $0 + $1.name.entries * 32 })
  }

  /// Writes what is in a directory, and returns its entries.
  private mutating func contents(of directory: FATDirectory, in cluster: UInt64, parent: UInt64) throws
    -> [UInt8]
  {
    var bytes: [UInt8] = []
    for item in directory.entries {
      try Cancellation.check()
      let (first, size, attributes): (UInt64, UInt32, UInt8)
      switch item.kind {
      case .file(let content):
        first = content.size == 0 ? 0 : try claim(content.size)
        if first > 0 { try put(content, at: geometry.place(of: first)) }
        (size, attributes) = (UInt32(content.size), 0x20)
      case .directory(let inner):
        first = try claim(64 + Self.size(of: inner))
        // The root is cluster 0 to what is in it.
        let own =
          entry(FATName.this.short, 0x10, item.time, first, 0)
          + entry(FATName.parent.short, 0x10, item.time, parent, 0)
        let place = geometry.place(of: first)
        try put(own + contents(of: inner, in: first, parent: first), at: place)
        (size, attributes) = (0, 0x10)
      }
      bytes += item.name.longEntries() + entry(item.name.short, attributes, item.time, first, size)
    }
    return bytes
  }

  /// A directory's entry of 32 bytes.
  private func entry(
    _ name: [UInt8], _ attributes: UInt8, _ time: FATTime, _ cluster: UInt64, _ size: UInt32
  ) -> [UInt8] {
    let cluster = UInt32(cluster)
    return name + [attributes, 0, 0] + time.time.littleEndianBytes + time.date.littleEndianBytes
      + time.date.littleEndianBytes + UInt16(cluster >> 16).littleEndianBytes + time.time.littleEndianBytes
      + time.date.littleEndianBytes + UInt16(cluster & 0xffff).littleEndianBytes + size.littleEndianBytes
  }

  /// Takes clusters for so many bytes.
  private mutating func claim(_ bytes: UInt64) throws(Fault) -> UInt64 {
    let count = (bytes + geometry.clusterSize - 1) / geometry.clusterSize
    guard count <= geometry.clusters + 2 - next else {
      throw Fault(
        .failed,
        "the files need more room than the FAT filesystem has, \(geometry.clusters * geometry.clusterSize) bytes",
        remedy: "Give the image a larger bootSize, or the system fewer kernels")
    }
    let first = next
    next += count
    runs.append((first, count))
    return first
  }

  private func put(_ bytes: [UInt8], at place: UInt64) throws {
    guard !bytes.isEmpty else { return }
    try file.writeAll(toAbsoluteOffset: Int64(offset + place), bytes)
  }

  private func put(_ content: FATContent, at place: UInt64) throws {
    switch content {
    case .bytes(let bytes): try put(bytes, at: place)
    case .part(let path, let start, let size):
      let source = try FileDescriptor.open(path, .readOnly, options: .closeOnExec)
      try source.closeAfter { try copy(source, from: start, size: size, to: place) }
    }
  }

  private func copy(_ source: FileDescriptor, from start: UInt64, size: UInt64, to place: UInt64) throws {
    var done: UInt64 = 0
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    while done < size {
      try Cancellation.check()
      let wanted = Int(min(size - done, UInt64(buffer.count)))
      let count = try buffer.withUnsafeMutableBytes {
        try source.read(
          fromAbsoluteOffset: Int64(start + done),
          into: UnsafeMutableRawBufferPointer(rebasing: $0[..<wanted]))
      }
      guard count > 0 else {
        throw Fault(
          .failed, "could not write a file to FAT", cause: "its source ends after \(done) of \(size) bytes")
      }
      try put(Array(buffer[..<count]), at: place + done)
      done += UInt64(count)
    }
  }

  private func writeTables() throws {
    var table = AllocationTable(geometry)
    for run in runs { table.chain(from: run.first, count: run.count) }
    for copy in 0..<2 as Range<UInt64> {
      let place = (geometry.width.reserved + copy * geometry.tableSectors) * geometry.sectorSize
      try put(table.bytes, at: place)
    }
  }

  private func writeBootSectors() throws {
    let sector = BootSector(volume: volume, geometry: geometry)
    try put(sector.bytes(), at: 0)
    guard geometry.width == .fat32 else { return }
    let information = sector.information(free: geometry.clusters + 2 - next, next: next)
    try put(information, at: BootSector.infoSector * geometry.sectorSize)
    try put(sector.bytes(), at: BootSector.backupSector * geometry.sectorSize)
    try put(information, at: (BootSector.backupSector + BootSector.infoSector) * geometry.sectorSize)
  }
}

/// The used part of an allocation table.
private struct AllocationTable {
  private let width: FATGeometry.Width
  private(set) var bytes: [UInt8] = []

  init(_ geometry: FATGeometry) {
    width = geometry.width
    set(0, width.end & ~0xff | UInt32(BootSector.media))
    set(1, width.end)
  }

  mutating func chain(from first: UInt64, count: UInt64) {
    for cluster in first..<first + count {
      set(cluster, cluster == first + count - 1 ? width.end : UInt32(cluster + 1))
    }
  }

  /// Entries are set in ascending order, or again.
  private mutating func set(_ cluster: UInt64, _ value: UInt32) {
    let bit = Int(cluster) * width.rawValue
    let end = (bit + width.rawValue + 7) / 8
    if bytes.count < end { bytes += Array(repeating: 0, count: end - bytes.count) }
    let start = bit / 8
    switch width {
    case .fat12:
      let old = UInt32(bytes[start]) | UInt32(bytes[start + 1]) << 8
      let new = bit % 8 == 0 ? old & 0xf000 | value : old & 0x000f | value << 4
      bytes[start] = UInt8(truncatingIfNeeded: new)
      bytes[start + 1] = UInt8(truncatingIfNeeded: new >> 8)
    case .fat16: bytes.replace(at: start, by: UInt16(value).littleEndianBytes)
    case .fat32: bytes.replace(at: start, by: value.littleEndianBytes)
    }
  }
}

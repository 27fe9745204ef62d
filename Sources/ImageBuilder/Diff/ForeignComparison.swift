internal import Basics
internal import Guestfs
internal import ImageReading
internal import SystemPackage

/// Compares filesystems that are not read here, by what libguestfs's machine says of their files.
struct ForeignComparison {
  /// The two raw disks.
  let left: FilePath
  let right: FilePath
  let emulated: Bool
  let scratch: FilePath

  /// Starts one machine for all of them, but for those of btrfs. Blocks.
  ///
  /// - Throws: `Fault` where there is no machine; `CancellationError`.
  func run(_ filesystems: [DiskComparison.Foreign]) throws -> ImageDifferences {
    let list = DifferenceList()
    // The driver takes a second filesystem of the same UUID for the first, so a machine has one of them alone.
    for filesystem in filesystems where filesystem.kind == .btrfs {
      try compare(filesystem, list) { disk in
        try machine([disk == 0 ? left : right]) { try Tree(filesystem, on: "/dev/sda", $0) }
      }
    }
    let others = filesystems.filter { $0.kind != .btrfs }
    guard !others.isEmpty else { return list.result }
    try machine([left, right]) { guest in
      for filesystem in others {
        try compare(filesystem, list) { try Tree(filesystem, on: $0 == 0 ? "/dev/sda" : "/dev/sdb", guest) }
      }
    }
    return list.result
  }

  private func machine<Result>(_ disks: [FilePath], _ body: (Guestfs) throws -> Result) throws -> Result {
    try Guestfs.with(disks: disks.map { .init($0) }, emulated: emulated, scratch: scratch, body)
  }

  private func compare(
    _ filesystem: DiskComparison.Foreign, _ list: DifferenceList, _ tree: (_ disk: Int) throws -> Tree
  ) throws {
    let before = list.count
    do {
      compare(try tree(0), try tree(1), filesystem.region, list)
    } catch let fault as Fault where fault.kind != .hostNotAble {
      list.note("\(filesystem.region) was compared by its bytes alone: \(fault.message)")
    }
    // What is in no file, such as a superblock.
    if list.count == before { filesystem.bytes.forEach(list.add) }
  }

  private func compare(_ mine: Tree, _ others: Tree, _ region: String, _ list: DifferenceList) {
    let paths = Set(mine.nodes.keys).union(others.nodes.keys)
    for path in paths.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
      let name = "/" + printableName(path)
      guard let one = mine.nodes[path], let other = others.nodes[path] else {
        list.add(region, name, "entry", mine.nodes[path].map(\.kind), others.nodes[path].map(\.kind))
        continue
      }
      for field in Set(one.fields.keys).union(other.fields.keys).sorted()
      where one.fields[field] != other.fields[field] {
        list.add(region, name, field, one.fields[field], other.fields[field])
      }
    }
  }
}

/// All that a filesystem says of its files.
private struct Tree {
  struct Node {
    var kind: String
    var fields: [String: String]
  }

  private(set) var nodes: [[UInt8]: Node] = [:]

  init(_ filesystem: DiskComparison.Foreign, on disk: String, _ guest: Guestfs) throws {
    let device = filesystem.number.map { "\(disk)\($0)" } ?? disk
    try guest.mounting(device, options: filesystem.kind == .xfs ? "ro,nouuid" : "ro") {
      // The root itself is not among them.
      let paths = [[0x2e]] + (try guest.paths())
      let digests = try guest.digests()
      for (path, status) in zip(paths, try guest.status(of: paths)) {
        guard let status else { continue }
        let type = status.mode & 0o170000
        var fields = Self.fields(status)
        if type == 0o120000 { fields["target"] = printableName(try guest.target(of: path)) }
        fields["content"] = digests[path].map { "sha256 \($0)" }
        for (name, value) in try guest.attributes(of: path) {
          fields["attribute \(name)"] = Self.text(ofAttribute: value)
        }
        let name = path == [0x2e] ? [] : path
        nodes[name] = Node(kind: Self.kinds[type] ?? "of no known type", fields: fields)
      }
    }
  }

  /// A long value by its beginning and a digest.
  private static func text(ofAttribute value: [UInt8]) -> String {
    let beginning = printableName(Array(value.prefix(64)))
    guard value.count > 64 else { return beginning }
    var hash = XXH64()
    value.withUnsafeBytes { hash.update($0) }
    return "\(beginning)… (\(value.count) bytes, xxh64 \(String(hash.digest, radix: 16)))"
  }

  private static func fields(_ status: Guestfs.Status) -> [String: String] {
    func time(_ parts: [Int64]) -> String {
      let fraction = "\(parts[1])"
      return "\(parts[0])." + String(repeating: "0", count: max(9 - fraction.count, 0)) + fraction
    }
    return [
      "inode number": "\(status.inode)", "mode": "0" + String(status.mode, radix: 8),
      "link count": "\(status.links)", "uid": "\(status.owner)", "gid": "\(status.group)",
      "device": "\(status.device)", "size": "\(status.size)", "atime": time(status.accessed),
      "mtime": time(status.modified), "ctime": time(status.changed),
    ]
  }

  private static let kinds: [Int64: String] = [
    0o010000: "FIFO", 0o020000: "character device", 0o040000: "folder", 0o060000: "block device",
    0o100000: "file", 0o120000: "link", 0o140000: "socket",
  ]
}

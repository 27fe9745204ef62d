import AgentProtocol
import Basics
import Ext4
import Glibc
import SystemPackage

@testable import FAT
@testable import ImageBuilder

extension Inputs {
  /// Bytes of the region that is asked for.
  private static let regionSize: UInt64 = 4
  private static let latest: Int64 = 1_000_000_000

  /// The records of an archive, behind a header that is right: a damaged one is refused before anything is read.
  static func handover(_ bytes: [UInt8]) {
    write(bytes, records: 0)
    guard let count = countOfRecords() else { return }
    write(bytes, records: count)
    let archive: HandoverArchive
    do {
      archive = try HandoverArchive(
        handoverFile, trees: 2, regions: [regionSize], keeping: 0, latest: latest)
    } catch {
      precondition(error is Fault, "a bad archive is refused by \(error)")
      return
    }
    let end = HandoverHeader.streamOffset + UInt64(bytes.count)
    precondition(archive.region(0).count == Int(regionSize) && archive.region(0).upperBound <= end)
    for tree in 0..<2 { check(archive, tree, end) }
  }

  /// How many records there are up to the end; nil when one of them is not valid.
  private static func countOfRecords() -> UInt64? {
    let size = (try? HostFiles.size(of: handoverFile)) ?? 0
    guard
      var records = try? HandoverRecords(
        handoverFile, HandoverHeader.streamOffset..<size, latest: latest)
    else { preconditionFailure("no file for the archive") }
    var count: UInt64 = 0
    while true {
      guard let record = try? records.next() else { return nil }
      count += 1
      if case .end = record { return count }
    }
  }

  /// Every node is below the root, in a directory, in order, and within bounds; what follows of it fails by name or works.
  private static func check(_ archive: HandoverArchive, _ tree: Int, _ end: UInt64) {
    guard var nodes = try? archive.nodes(ofTree: tree) else { preconditionFailure("a tree vanished") }
    var previous: TreePath?
    var directories: Set<[UInt8]> = []
    var fat: [FATNode] = []
    while let node = try? nodes.next() {
      let path = node.path.bytes
      precondition(previous.map { $0 < node.path } ?? path.isEmpty, "a node is out of order")
      previous = node.path
      let names = path.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
      precondition(
        path.isEmpty
          || names.allSatisfy { !$0.isEmpty && !$0.elementsEqual([46]) && !$0.elementsEqual([46, 46]) },
        "a path leads elsewhere")
      let parent = Array(names.dropLast().joined(separator: [UInt8(ascii: "/")]))
      precondition(path.isEmpty || directories.contains(parent), "a node is in no directory")
      if case .directory = node.kind { directories.insert(path) }
      precondition(node.attributes.modified.seconds <= latest, "a time is later than the latest")
      if case .file(.parts(let parts)) = node.kind {
        for piece in parts.pieces {
          precondition(piece.offset + piece.length <= end, "a piece is beyond the archive")
          precondition(piece.position + piece.length <= parts.size, "a piece is beyond its file")
        }
      }
      if path.isEmpty { continue }
      if let node = try? FATNode(node) { fat.append(node) }
    }
    if fat.count < 1000 { _ = try? FATDirectory(fat) }
  }

  private static func write(_ records: [UInt8], records count: UInt64) {
    var hash = XXH64()
    records.withUnsafeBytes { hash.update($0) }
    var bytes = HandoverHeader(length: UInt64(records.count), records: count, digest: hash.digest).bytes
    bytes += Array(repeating: 0, count: Int(HandoverHeader.streamOffset) - bytes.count) + records
    guard ftruncate(handoverDescriptor, off_t(bytes.count)) == 0,
      pwrite(handoverDescriptor, bytes, bytes.count, 0) == bytes.count
    else { preconditionFailure("no file for the archive") }
  }

  /// A file of this process, which its end removes; an archive is opened by its name.
  private static let handoverFile: FilePath = {
    atexit { unlink("/dev/shm/slipway-fuzz-\(getpid())") }
    return FilePath("/dev/shm/slipway-fuzz-\(getpid())")
  }()

  private static let handoverDescriptor = handoverFile.withPlatformString {
    open($0, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
  }
}

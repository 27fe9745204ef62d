internal import AgentProtocol
internal import Basics
internal import Ext4
internal import SystemPackage

/// What the guest handed over, on a disk of its own: read once from end to end before anything of it is used.
struct HandoverArchive: Sendable {
  let file: FilePath
  /// The records of each tree, by its number.
  private let trees: [Range<UInt64>]
  /// The bytes of each region.
  private let regions: [Range<UInt64>]
  private let latest: Int64

  /// Reads an archive, and checks all of it.
  ///
  /// - Parameters:
  ///   - regions: the length of each region that was asked for, in bytes.
  ///   - trees: how many trees were asked for.
  ///   - keeping: the tree that may keep what was poured; nil for none.
  ///   - latest: later times of files become this one, in seconds since 1970.
  ///   - nodeLimit: how many nodes there may be besides those that are kept.
  /// - Throws: `Fault` for an archive that is not whole, breaks a rule, or is not what was asked for; `CancellationError`.
  init(
    _ file: FilePath, trees: Int, regions: [UInt64], keeping: Int?, latest: Int64,
    nodeLimit: Int = HandoverRecords.nodeLimit
  ) throws {
    self.file = file
    self.latest = latest
    let stream = try Self.checkedRange(of: file)
    var records = try HandoverRecords(file, stream.range, latest: latest, nodeLimit: nodeLimit)
    var (found, areas): ([Range<UInt64>], [Range<UInt64>]) = ([], [])
    var (count, open): (UInt64, UInt64?) = (0, nil)
    reading: while true {
      try Cancellation.check()
      let start = records.position
      let record = try records.next()
      count += 1
      if case .node(let node) = record {
        guard open != nil else { throw Fault.handover(at: start, "\(node.path) is in no tree") }
        guard node.kind != .kept || found.count == keeping else {
          throw Fault.handover(at: start, "\(node.path) should have been handed over itself")
        }
        continue
      }
      if let begin = open {
        guard begin < start else { throw Fault.handover(at: begin, "a tree has no root") }
        found.append(begin..<start)
      }
      open = nil
      switch record {
      case .node: break
      case .tree(let number):
        guard number == found.count, found.count < trees else {
          throw Fault.handover(at: start, "the tree \(number) was not asked for there")
        }
        open = records.position
      case .region(let number, let bytes):
        guard number == areas.count, areas.count < regions.count, UInt64(bytes.count) == regions[areas.count]
        else {
          throw Fault.handover(at: start, "the region \(number) was not asked for there")
        }
        areas.append(bytes)
      case .end:
        guard records.isAtEnd, count == stream.records else {
          throw Fault.handover(at: start, "the last record is not where it should be")
        }
        break reading
      }
    }
    guard found.count == trees, areas.count == regions.count else {
      throw Fault.handover(at: stream.range.upperBound, "something that was asked for is missing")
    }
    (self.trees, self.regions) = (found, areas)
  }

  /// The nodes of a tree, in order.
  func nodes(ofTree number: Int) throws(Fault) -> HandedNodes {
    HandedNodes(records: try HandoverRecords(file, trees[number], latest: latest, tree: UInt32(number)))
  }

  /// Where the bytes of a region are in the file.
  func region(_ number: Int) -> Range<UInt64> { regions[number] }

  /// Where the records are, when their digest is the one that the header has.
  private static func checkedRange(of file: FilePath) throws -> (range: Range<UInt64>, records: UInt64) {
    let size = try HostFiles.size(of: file)
    guard size >= HandoverHeader.streamOffset else { throw Fault.handover(at: 0, "it has no header") }
    let bytes = try HandoverStream(file, 0..<HandoverHeader.streamOffset).bytes(HandoverHeader.size)
    guard let header = HandoverHeader(bytes: bytes) else { throw Fault.handover(at: 0, "it has no header") }
    let start = HandoverHeader.streamOffset
    guard header.length <= size - start else {
      throw Fault.handover(at: 0, "it should have \(header.length) bytes, and its disk has \(size - start)")
    }
    let range = start..<start + header.length
    let stream = try HandoverStream(file, range)
    var hash = XXH64()
    while true {
      try Cancellation.check()
      let piece = try stream.piece()
      guard !piece.isEmpty else { break }
      hash.update(piece)
    }
    guard hash.digest == header.digest else {
      throw Fault.handover(at: start, "it is damaged: its digest is not the one that the guest computed")
    }
    return (range, header.records)
  }
}

/// The nodes of one tree that was handed over.
// Unchecked: the stream behind the records is a class, and is read by one thread at a time, as any `NodeSource` is.
struct HandedNodes: NodeSource, @unchecked Sendable {
  fileprivate var records: HandoverRecords

  mutating func next() throws(Fault) -> Node? {
    guard !records.isAtEnd, case .node(let node) = try records.next() else { return nil }
    return node
  }
}

internal import Basics

/// What SQLite has written to a database's log and not yet to the database (https://www.sqlite.org/fileformat2.html, 4).
struct WriteAheadLog {
  private let log: [UInt8]
  private let pageSize: Int
  private let isBigEndian: Bool

  private static let magic: UInt32 = 0x377f_0682
  private static let headerSize = 32
  private static let frameHeaderSize = 24

  /// - Returns: nil for one that holds nothing.
  init?(_ log: [UInt8]) {
    self.log = log
    guard log.count >= Self.headerSize else { return nil }
    let magic = Self.number(log, at: 0)
    let pageSize = Int(Self.number(log, at: 8))
    guard magic & ~1 == Self.magic, (512...65536).contains(pageSize), pageSize & (pageSize - 1) == 0 else {
      return nil
    }
    self.pageSize = pageSize
    isBigEndian = magic & 1 == 1
  }

  /// Writes the pages of every transaction that was committed.
  func apply(to database: inout [UInt8]) {
    let (pages, committedSize) = committed()
    guard committedSize > 0 else { return }
    // No log leads to a larger database than this: all pages but one, that of the locks, were written to one of both.
    let limit = (database.count + log.count) / pageSize * pageSize + pageSize
    let size = min(committedSize, limit)
    database.removeLast(max(0, database.count - size))
    database += [UInt8](repeating: 0, count: size - database.count)
    for (number, offset) in pages where number * pageSize <= size {
      database.replaceSubrange(
        (number - 1) * pageSize..<number * pageSize, with: log[offset..<offset + pageSize])
    }
  }

  /// The pages of the transactions that were committed, and the size of the database after them, in bytes. What is behind
  /// the last of them, or is left of an earlier log, has another checksum or salt, or no end.
  private func committed() -> (pages: ArraySlice<(number: Int, offset: Int)>, size: Int) {
    var pages: [(number: Int, offset: Int)] = []
    var (count, size) = (0, 0)
    var sum = Checksum(isBigEndian: isBigEndian)
    sum.add(log[..<24])
    guard sum.isStored(in: log, at: 24) else { return ([], 0) }
    var frame = Self.headerSize
    while log.count - frame >= Self.frameHeaderSize + pageSize {
      let page = frame + Self.frameHeaderSize
      sum.add(log[frame..<frame + 8])
      sum.add(log[page..<page + pageSize])
      let number = Int(Self.number(log, at: frame))
      guard number > 0, log[frame + 8..<frame + 16] == log[16..<24], sum.isStored(in: log, at: frame + 16)
      else { break }
      pages.append((number, page))
      let sizeInPages = Int(Self.number(log, at: frame + 4))
      if sizeInPages > 0 { (count, size) = (pages.count, sizeInPages * pageSize) }
      frame = page + pageSize
    }
    return (pages.prefix(count), size)
  }

  fileprivate static func number(_ bytes: [UInt8], at offset: Int) -> UInt32 {
    UInt32(truncatingIfNeeded: bytes.bigEndian(at: offset, 4))
  }
}

/// The checksum of a log: over all of it up to where it is asked for.
private struct Checksum {
  let isBigEndian: Bool
  private var first: UInt32 = 0
  private var second: UInt32 = 0

  init(isBigEndian: Bool) {
    self.isBigEndian = isBigEndian
  }

  /// - Parameter bytes: a multiple of 8 of them.
  mutating func add(_ bytes: ArraySlice<UInt8>) {
    bytes.withUnsafeBytes { bytes in
      for offset in stride(from: 0, to: bytes.count - 7, by: 8) {
        first &+= word(bytes, at: offset) &+ second
        second &+= word(bytes, at: offset + 4) &+ first
      }
    }
  }

  func isStored(in log: [UInt8], at offset: Int) -> Bool {
    WriteAheadLog.number(log, at: offset) == first && WriteAheadLog.number(log, at: offset + 4) == second
  }

  private func word(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> UInt32 {
    let word = bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
    return isBigEndian ? UInt32(bigEndian: word) : UInt32(littleEndian: word)
  }
}

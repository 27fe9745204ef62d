import Basics
import GRDB
import GRDBSQLite
import Glibc

@testable import NixStore

extension Inputs {
  /// The log of a small database is read as SQLite reads it, or refused, and takes no more memory than both have bytes.
  static func writeAheadLog(_ input: [UInt8]) {
    var log = Array(input.dropFirst())
    // The first byte says whether the checksums are made right, which nothing would find by chance.
    if input.first.map({ $0 & 1 == 1 }) == true { sign(&log) }
    var image = DatabaseImage()
    image.bytes = database
    WriteAheadLog(log)?.apply(to: &image.bytes)
    precondition(
      image.bytes.count <= database.count + log.count + (1 << 16), "a small log makes much of little")
    // Both may be damaged, which SQLite says when it reads them.
    _ = try? image.opened().read { try Row.fetchAll($0, sql: "SELECT * FROM t") }
    // Pages of another size than the database's are damage, too.
    guard log.count < 12 || log[8..<12].elementsEqual([0, 0, 2, 0]),
      image.bytes[16..<18].elementsEqual([2, 0])
    else { return }
    guard let pages = readBySQLite(log) else { return }
    precondition(
      image.bytes.count >= pages.count || image.bytes.count > database.count + log.count - 512,
      "SQLite reads more pages")
    precondition(
      image.bytes.prefix(pages.count) == pages.prefix(image.bytes.count), "SQLite reads other pages")
  }

  /// A database of a few pages of 512 bytes, in write-ahead mode.
  private static let database: [UInt8] = {
    let queue = try? DatabaseImage().opened()
    try? queue?.inDatabase { database in
      try database.execute(
        sql: """
          PRAGMA page_size = 512; CREATE TABLE t (id INTEGER PRIMARY KEY, x);
          INSERT INTO t (x) VALUES (zeroblob(900))
          """)
    }
    guard let queue, var bytes = try? DatabaseImage(of: queue).bytes, bytes[16..<18].elementsEqual([2, 0])
    else {
      preconditionFailure("no database to read a log beside")
    }
    (bytes[18], bytes[19]) = (2, 2)
    return bytes
  }()

  /// What SQLite sees with the log beside the database; nil where it refuses them.
  private static func readBySQLite(_ log: [UInt8]) -> [UInt8]? {
    var name = Array("/dev/shm/slipway-fuzz-XXXXXX".utf8CString)
    guard mkdtemp(&name) != nil else { preconditionFailure("no folder for a database") }
    let folder = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    write(database, to: "\(folder)/db")
    write(log, to: "\(folder)/db-wal")
    var connection: OpaquePointer?
    defer {
      sqlite3_close(connection)
      for name in ["db", "db-wal"] { unlink("\(folder)/\(name)") }
      rmdir(folder)
    }
    // Exclusive: without shared memory. The version of the schema is on the first page.
    let sql = "PRAGMA locking_mode = EXCLUSIVE; PRAGMA schema_version"
    guard sqlite3_open_v2("\(folder)/db", &connection, SQLITE_OPEN_READWRITE, nil) == SQLITE_OK,
      sqlite3_exec(connection, sql, nil, nil, nil) == SQLITE_OK
    else { return nil }
    // A damaged header may promise any number of pages.
    let limit = sqlite3_hard_heap_limit64(100 << 20)
    defer { sqlite3_hard_heap_limit64(limit) }
    var size: Int64 = 0
    guard let pages = sqlite3_serialize(connection, "main", &size, 0) else { return nil }
    defer { sqlite3_free(pages) }
    return Array(UnsafeBufferPointer(start: pages, count: Int(size)))
  }

  private static func write(_ bytes: [UInt8], to path: String) {
    let file = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0o600)
    guard file >= 0, Glibc.write(file, bytes, bytes.count) == bytes.count, close(file) == 0 else {
      preconditionFailure("\(path) cannot be written")
    }
  }

  /// Puts the right checksums into the header and each frame, and the header's salt into each frame.
  private static func sign(_ log: inout [UInt8]) {
    guard log.count >= 32 else { return }
    var sum: (UInt32, UInt32) = (0, 0)
    func add(_ range: Range<Int>) {
      for offset in stride(from: range.lowerBound, to: range.upperBound, by: 8) {
        let (first, second) = (log.bigEndian(at: offset, 4), log.bigEndian(at: offset + 4, 4))
        let words = log[3] & 1 == 1 ? (first, second) : (first.byteSwapped >> 32, second.byteSwapped >> 32)
        sum.0 &+= UInt32(truncatingIfNeeded: words.0) &+ sum.1
        sum.1 &+= UInt32(truncatingIfNeeded: words.1) &+ sum.0
      }
    }
    add(0..<24)
    log.replace(at: 24, by: sum.0.bigEndianBytes + sum.1.bigEndianBytes)
    let page = Int(log.bigEndian(at: 8, 4))
    guard page >= 512, page.isMultiple(of: 8) else { return }
    let salt = Array(log[16..<24])
    for frame in stride(from: 32, through: log.count - 24 - page, by: 24 + page) {
      log.replace(at: frame + 8, by: salt)
      add(frame..<frame + 8)
      add(frame + 24..<frame + 24 + page)
      log.replace(at: frame + 16, by: sum.0.bigEndianBytes + sum.1.bigEndianBytes)
    }
  }
}

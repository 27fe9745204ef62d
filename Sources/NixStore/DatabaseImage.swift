internal import Basics
internal import GRDB
internal import GRDBSQLite
internal import SystemPackage

/// A SQLite database as the bytes of its file, which are read and made without a file.
struct DatabaseImage {
  var bytes: [UInt8]

  /// Opens the bytes.
  ///
  /// - Throws: `DatabaseError`.
  func opened() throws -> DatabaseQueue {
    let queue = try DatabaseQueue()
    try queue.inDatabase { database in
      // Large results would be sorted in files.
      try database.execute(sql: "PRAGMA temp_store = MEMORY")
      let memory = sqlite3_malloc64(UInt64(max(bytes.count, 1)))
      guard let memory else { throw DatabaseError(resultCode: .SQLITE_NOMEM) }
      memory.copyMemory(from: bytes, byteCount: bytes.count)
      // SQLite frees the memory, when this fails, too.
      let flags = SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE
      let result = sqlite3_deserialize(
        database.sqliteConnection, "main", memory.assumingMemoryBound(to: UInt8.self),
        Int64(bytes.count), Int64(bytes.count), UInt32(flags))
      guard result == SQLITE_OK else { throw DatabaseError(resultCode: ResultCode(rawValue: result)) }
    }
    return queue
  }

  /// Takes the bytes of what is in an opened image.
  ///
  /// - Throws: `DatabaseError`.
  init(of queue: DatabaseQueue) throws {
    bytes = try queue.inDatabase { database in
      var size: Int64 = 0
      let memory = sqlite3_serialize(
        database.sqliteConnection, "main", &size, UInt32(SQLITE_SERIALIZE_NOCOPY))
      guard let memory, let count = Int(exactly: size) else {
        throw DatabaseError(resultCode: .SQLITE_NOMEM)
      }
      return Array(UnsafeBufferPointer(start: memory, count: count))
    }
  }

  /// A database without anything in it.
  init() {
    bytes = []
  }

  /// Reads a database that another process may be writing to, without writing anything.
  ///
  /// SQLite could not: in its write-ahead mode, which Nix uses, even a reader makes files next to the database, and its
  /// `immutable` would skip what is still in the log.
  ///
  /// - Returns: nil while something is being written.
  /// - Throws: `PathFailure`, `CancellationError`; `Errno` from looking at the files.
  init?(reading file: FilePath) throws {
    func other(_ suffix: String) -> FilePath { FilePath(file.string + suffix) }
    let files = [file, other("-wal"), other("-journal")]
    let before = try files.map { try FileStamp(of: $0) }
    // Outside of write-ahead mode, the journal has something in it until the database is whole.
    guard before[2]?.isEmpty != false else { return nil }
    let database = try WholeFile.read(file)
    guard let log = before[1] == nil ? [] : try Self.bytes(of: files[1]) else { return nil }
    guard try files.map({ try FileStamp(of: $0) }) == before else { return nil }
    self.init(database, log: log)
  }

  /// Takes a database, and what is in its log and not yet in it.
  init(_ database: [UInt8], log: [UInt8]) {
    bytes = database
    WriteAheadLog(log)?.apply(to: &bytes)
    // There is no log beside it any more.
    for index in [18, 19] where bytes.count > index && bytes[index] == 2 { bytes[index] = 1 }
  }

  /// Nil when the log is gone: whoever had the database open last removes it.
  private static func bytes(of log: FilePath) throws -> [UInt8]? {
    do {
      return try WholeFile.read(log)
    } catch let failure as PathFailure where failure.reason == .noSuchFileOrDirectory {
      return nil
    }
  }
}

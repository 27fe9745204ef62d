internal import Basics
internal import GRDB
internal import Glibc
package import SystemPackage

extension Closure {
  /// Reads the closure of some paths from the database of a live store, without a daemon and without writing
  /// there.
  ///
  /// - Parameters:
  ///   - roots: the system and additional paths.
  ///   - store: the store; read permission is enough.
  ///   - scratch: an existing, private folder that has room for a copy of the database. The copy is gone
  ///     afterwards.
  /// - Throws: `StoreError` of code `unreadableDatabase` or `notRegistered`; `PathFailure` when the filesystem of
  ///   `scratch` is full.
  package static func read(
    roots: [StorePath], from store: StoreLocation, scratch: FilePath
  ) async throws -> Closure {
    try await onThread {
      do {
        try checkSchema(of: store)
        return try withDatabaseCopy(of: store, scratch: scratch) { copy in
          try copy.read { try closure(of: roots, in: $0) }
        }
      } catch let error as StoreError {
        throw error
      } catch let error as PathFailure {
        throw error
      } catch let error as CancellationError {
        throw error
      } catch let error as RowDecodingError {
        throw malformedRow("\(error)")
      } catch let error as DatabaseError where error.isLackOfSpace {
        throw PathFailure("copy the Nix database into", scratch, .noSpace)
      } catch {
        throw unreadable(store, "\(error)")
      }
    }
  }
}

private func checkSchema(of store: StoreLocation) throws {
  let file = store.databaseDirectory.appending("schema")
  let text: String
  do {
    text = String(decoding: try WholeFile.read(file, limit: 4096), as: UTF8.self)
  } catch let failure as PathFailure {
    throw unreadable(store, "\(failure)")
  }
  let known = NixDatabase.schemaVersion
  guard text.split(whereSeparator: \.isWhitespace) == [known[...]] else {
    throw unreadable(store, "'\(file)' says \(text.debugDescription), and only \(known) is known")
  }
}

/// Opens a copy of the store's database.
///
/// The database itself cannot be opened in every case: in SQLite's write-ahead mode, which Nix uses, even a
/// reader makes files next to it, and an ordinary user may not; SQLite's `immutable` would skip what is still
/// in the log. In the copy, SQLite replays the log.
private func withDatabaseCopy<Value>(
  of store: StoreLocation, scratch: FilePath, _ body: (DatabaseQueue) throws -> Value
) throws -> Value {
  let source = store.databaseDirectory.appending("db.sqlite")
  let folder = scratch.appending(ClaimedFolder.uniqueName("nix-db-"))
  try Folder.make(folder, mode: 0o700)
  defer { try? TreeRemover.remove(folder) }
  let copy = folder.appending("db.sqlite")
  for attempt in 1...5 {
    // Log and rollback journal belong to the database: without them it may be old, or half written.
    let files = ["", "-wal", "-journal"]
    let before = try files.map { try FileStamp(of: FilePath(source.string + $0)) }
    guard before[0] != nil else { throw unreadable(store, "'\(source)' does not exist") }
    for (suffix, stamp) in zip(files, before) where stamp != nil {
      do {
        // SQLite writes to its copy when it replays the log, whatever the mode of the original.
        try WholeFile.copy(
          FilePath(source.string + suffix), to: FilePath(copy.string + suffix), mode: 0o600)
      } catch let failure as PathFailure {
        if failure.reason.isLackOfSpace {
          throw PathFailure("copy the Nix database into", scratch, failure.reason)
        }
        throw unreadable(store, "\(failure)")
      }
    }
    let after = try files.map { try FileStamp(of: FilePath(source.string + $0)) }
    if before == after {
      return try body(DatabaseQueue(path: copy.string))
    }
    for suffix in files { try? TreeRemover.remove(FilePath(copy.string + suffix)) }
    usleep(100_000 * UInt32(attempt))
  }
  throw unreadable(store, "'\(source)' changed each time it was copied; let other Nix commands finish first")
}

/// The closure in one pass of the database: SQLite walks the references.
private func closure(of roots: [StorePath], in database: Database) throws -> Closure {
  // The walk's intermediate results stay out of temporary files.
  try database.execute(sql: "PRAGMA temp_store = MEMORY")
  var rootIdentifiers: [Int64] = []
  for root in roots {
    let id = try Int64.fetchOne(
      database, sql: "SELECT id FROM ValidPaths WHERE path = ?", arguments: [root.path])
    guard let id else {
      throw StoreError(
        .notRegistered, attempt: "take the closure of \(root)", reason: "it is not valid in the Nix store",
        remedy: "Run: nix-store --realise \(root)")
    }
    rootIdentifiers.append(id)
  }
  let walk = """
    WITH RECURSIVE closure(id) AS (
      SELECT id FROM ValidPaths WHERE id IN (\(rootIdentifiers.map(String.init).joined(separator: ",")))
      UNION SELECT Refs.reference FROM Refs JOIN closure ON Refs.referrer = closure.id
    )
    """
  var references: [Int64: [StorePath]] = [:]
  let edges = try Row.fetchCursor(
    database,
    sql: walk + """
      SELECT Refs.referrer AS id, ValidPaths.path AS path
      FROM closure JOIN Refs ON Refs.referrer = closure.id JOIN ValidPaths ON ValidPaths.id = Refs.reference
      """)
  while let row = try edges.next() {
    try Cancellation.check()
    let reference = try storePath(row.decode(forColumn: "path"))
    references[try row.decode(forColumn: "id"), default: []].append(reference)
  }
  var paths: [StorePathInfo] = []
  let rows = try Row.fetchCursor(
    database,
    sql: walk + "SELECT id, path, hash, narSize, deriver, ca FROM closure JOIN ValidPaths USING (id)")
  while let row = try rows.next() {
    try Cancellation.check()
    paths.append(try info(row, references: references[try row.decode(forColumn: "id")] ?? []))
  }
  return Closure(roots: roots, paths: paths)
}

private func info(_ row: Row, references: [StorePath]) throws -> StorePathInfo {
  let path = try storePath(row.decode(forColumn: "path"))
  guard let hash = NarHash(try row.decode(String.self, forColumn: "hash")) else {
    throw malformedRow("the hash of \(path) is no SHA-256")
  }
  let size = try row.decode(UInt64.self, forColumn: "narSize")
  return StorePathInfo(
    path: path, narHash: hash, narSize: size,
    deriver: try optionalText("deriver", of: row).map(storePath), references: references,
    contentAddress: try optionalText("ca", of: row))
}

private func storePath(_ text: String) throws -> StorePath {
  guard let path = StorePath(path: text) else { throw malformedRow("'\(text)' is not a store path") }
  return path
}

/// Nix writes nothing and the empty text alike for what it does not know.
private func optionalText(_ column: String, of row: Row) throws -> String? {
  let text = try row.decode(String?.self, forColumn: column)
  return text.flatMap { $0.isEmpty ? nil : $0 }
}

private func malformedRow(_ reason: String) -> StoreError {
  StoreError(
    .unreadableDatabase, attempt: "read the Nix database", reason: reason,
    remedy: "Run: nix-store --verify --repair")
}

private func unreadable(_ store: StoreLocation, _ reason: String) -> StoreError {
  StoreError(
    .unreadableDatabase, attempt: "read the Nix database in '\(store.databaseDirectory)'", reason: reason,
    remedy: "A closureInfo folder works without the database.")
}

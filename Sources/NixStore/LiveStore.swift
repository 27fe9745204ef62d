internal import Basics
internal import GRDB
internal import Glibc
internal import SystemPackage

extension Closure {
  /// Reads the closure of some paths from the database of a live store, without a daemon and without writing anything
  /// anywhere.
  ///
  /// - Parameters:
  ///   - roots: the system and additional paths.
  ///   - store: the store; read permission is enough.
  /// - Throws: `Fault`.
  package static func read(roots: [StorePath], from store: StoreLocation) async throws -> Closure {
    try await onThread {
      do {
        try checkSchema(of: store)
        return try databaseImage(of: store).opened().read { try closure(of: roots, in: $0) }
      } catch  where error is Fault || error is CancellationError {
        throw error
      } catch let error as RowDecodingError {
        throw malformedRow("\(error)")
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

/// The database as it is between two transactions of Nix.
private func databaseImage(of store: StoreLocation) throws -> DatabaseImage {
  let file = store.databaseDirectory.appending("db.sqlite")
  guard try FileStamp(of: file) != nil else { throw unreadable(store, "'\(file)' does not exist") }
  for attempt in 1...5 {
    do {
      if let image = try DatabaseImage(reading: file) { return image }
    } catch let failure as PathFailure {
      throw unreadable(store, "\(failure)")
    }
    usleep(100_000 * UInt32(attempt))
  }
  throw unreadable(store, "'\(file)' changed each time it was read; let other Nix commands finish first")
}

/// The closure in one pass of the database: SQLite walks the references.
private func closure(of roots: [StorePath], in database: Database) throws -> Closure {
  var rootIdentifiers: [Int64] = []
  for root in roots {
    let id = try Int64.fetchOne(
      database, sql: "SELECT id FROM ValidPaths WHERE path = ?", arguments: [root.path])
    guard let id else {
      throw Fault(
        .badInput, "cannot take the closure of \(root)", cause: "it is not valid in the Nix store",
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
    throw malformedRow("the hash of \(path) is not a SHA-256 hash")
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

private func malformedRow(_ reason: String) -> Fault {
  Fault(
    .badInput, "cannot read the Nix database", cause: reason,
    remedy: "Run: nix-store --verify --repair")
}

private func unreadable(_ store: StoreLocation, _ reason: String) -> Fault {
  Fault(
    .badInput, "cannot read the Nix database in '\(store.databaseDirectory)'", cause: reason,
    remedy: "A closureInfo folder works without the database.")
}

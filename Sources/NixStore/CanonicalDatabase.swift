internal import Basics
internal import GRDB

extension NixDatabase {
  /// Makes a database that Nix has written to as `bytes(of:from:registrationTime:)` would: rows in the order of paths, one
  /// time for all of them, and nothing of a log.
  ///
  /// What is in it is kept, whatever it is, and none of it is believed.
  ///
  /// - Parameters:
  ///   - database: the bytes of `db.sqlite`.
  ///   - log: those of the log beside it, `db.sqlite-wal`; empty for none.
  ///   - registrationTime: the time noted for every path, in seconds since 1970.
  /// - Returns: nil for a database that is damaged, or has more in it than Nix of the known version writes.
  /// - Throws: `CancellationError`.
  package static func canonical(
    _ database: [UInt8], log: [UInt8], registrationTime: Int64
  ) throws -> [UInt8]? {
    do {
      let queue = try DatabaseImage(database, log: log).opened()
      guard let rows = try queue.read(rows) else { return nil }
      return try image { database in
        try insert(rows, registrationTime: registrationTime, into: database)
      }.bytes
    } catch is CancellationError {
      throw CancellationError()
    } catch {
      return nil
    }
  }

  /// The rows of each table, with paths in the place of their numbers.
  private struct Rows {
    var paths: [Row]
    var references: [Row]
    var outputs: [Row]
  }

  /// - Returns: nil for tables that are not those of `schema`.
  private static func rows(_ database: Database) throws -> Rows? {
    let known: Set = ["ValidPaths", "Refs", "DerivationOutputs", "sqlite_sequence"]
    let tables = try Row.fetchAll(
      database, sql: "SELECT name, type, sql FROM sqlite_schema WHERE type IN ('table', 'view')")
    for table in tables {
      let (name, sql): (String, String) = (
        try table.decode(forColumn: "name"), try table.decode(forColumn: "sql")
      )
      guard try table.decode(String.self, forColumn: "type") == "table", isPlain(sql) else { return nil }
      // An empty one is made again by the Nix that wants it.
      guard try known.contains(name) || isEmpty(name, in: database) else { return nil }
    }
    return Rows(
      paths: try Row.fetchAll(
        database,
        sql: "SELECT path, hash, deriver, narSize, ultimate, sigs, ca FROM ValidPaths ORDER BY path"),
      references: try Row.fetchAll(
        database,
        sql: """
          SELECT a.path AS referrer, b.path AS reference
          FROM Refs JOIN ValidPaths a ON a.id = Refs.referrer JOIN ValidPaths b ON b.id = Refs.reference
          ORDER BY a.path, b.path
          """),
      outputs: try Row.fetchAll(
        database,
        sql: """
          SELECT ValidPaths.path AS drv, DerivationOutputs.id AS id, DerivationOutputs.path AS path
          FROM DerivationOutputs JOIN ValidPaths ON ValidPaths.id = DerivationOutputs.drv
          ORDER BY ValidPaths.path, DerivationOutputs.id
          """))
  }

  /// Whether a table is one, and not a program: a virtual table's module, or a column that is computed.
  private static func isPlain(_ sql: String) -> Bool {
    let words = sql.uppercased().split { !$0.isLetter }
    return words.starts(with: ["CREATE", "TABLE"]) && !words.contains("AS")
  }

  private static func isEmpty(_ table: String, in database: Database) throws -> Bool {
    let quoted = table.replacing("\"", with: "\"\"")
    return try Row.fetchOne(database, sql: "SELECT 1 FROM \"\(quoted)\" LIMIT 1") == nil
  }

  private static func insert(_ rows: Rows, registrationTime: Int64, into database: Database) throws {
    let path = try database.makeStatement(
      sql: """
        INSERT INTO ValidPaths (id, path, hash, registrationTime, deriver, narSize, ultimate, sigs, ca)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        """)
    var identifiers: [String: Int64] = [:]
    for (id, row) in zip(Int64(1)..., rows.paths) {
      try Cancellation.check()
      let name: String = try row.decode(forColumn: "path")
      guard identifiers.updateValue(id, forKey: name) == nil else {
        throw DatabaseError(resultCode: .SQLITE_CORRUPT)
      }
      let rest = ["deriver", "narSize", "ultimate", "sigs", "ca"].map { row[$0] as DatabaseValue }
      try path.execute(
        arguments: StatementArguments(
          [
            id.databaseValue, name.databaseValue, row["hash"] as DatabaseValue,
            registrationTime.databaseValue,
          ] + rest))
    }
    for row in rows.references {
      try Cancellation.check()
      let ends: [String] = [try row.decode(forColumn: "referrer"), try row.decode(forColumn: "reference")]
      try database.execute(
        sql: "INSERT INTO Refs (referrer, reference) VALUES (?, ?)",
        arguments: [identifiers[ends[0]], identifiers[ends[1]]])
    }
    for row in rows.outputs {
      let derivation: String = try row.decode(forColumn: "drv")
      try database.execute(
        sql: "INSERT INTO DerivationOutputs (drv, id, path) VALUES (?, ?, ?)",
        arguments: [
          identifiers[derivation], try row.decode(String.self, forColumn: "id"),
          try row.decode(String.self, forColumn: "path"),
        ])
    }
  }
}

internal import Basics
internal import GRDB
internal import GRDBSQLite

/// A row that two Nix databases have in different ways.
package struct NixRowDifference: Hashable, Sendable {
  package var table: String
  /// What names the row in its table, such as a store path.
  package var row: String
  /// The column; "row" for one that only one side has.
  package var field: String
  package var left: String?
  package var right: String?
}

extension NixDatabase {
  /// How the rows of two databases differ, table by table. Both may come from anybody: only plain tables of the known names
  /// are read, and nothing of a schema is run.
  ///
  /// - Parameters:
  ///   - left: the bytes of the one file.
  ///   - right: those of the other.
  /// - Returns: at most 10 000 rows; none for files that have the same rows, or are not both such databases.
  /// - Throws: `CancellationError`.
  package static func differences(_ left: [UInt8], _ right: [UInt8]) throws -> [NixRowDifference] {
    let contents: ([String: Rows], [String: Rows])
    do {
      contents = (try rows(in: left), try rows(in: right))
    } catch is DatabaseError {
      try Cancellation.check()
      return []
    }
    var differences: [NixRowDifference] = []
    for table in tables {
      let (mine, others) = (contents.0[table.name] ?? [:], contents.1[table.name] ?? [:])
      for row in Set(mine.keys).union(others.keys).sorted() {
        try Cancellation.check()
        guard differences.count < 10_000 else { return differences }
        guard let one = mine[row], let other = others[row] else {
          differences.append(
            NixRowDifference(
              table: table.name, row: row, field: "row", left: mine[row]?.joined(separator: " "),
              right: others[row]?.joined(separator: " ")))
          continue
        }
        for (index, column) in table.columns.enumerated() where one[index] != other[index] {
          differences.append(
            NixRowDifference(
              table: table.name, row: row, field: column, left: one[index], right: other[index]))
        }
      }
    }
    return differences
  }

  /// The columns of each row of a table.
  private typealias Rows = [String: [String]]

  /// A table, what names a row in it, and its other columns.
  private static let tables: [(name: String, key: String, columns: [String], source: String)] = [
    (
      "ValidPaths", "path",
      ["id", "hash", "registrationTime", "deriver", "narSize", "ultimate", "sigs", "ca"], "ValidPaths"
    ),
    (
      "Refs", "a.path || ' ' || b.path", [],
      "Refs JOIN ValidPaths a ON a.id = referrer JOIN ValidPaths b ON b.id = reference"
    ),
    (
      "DerivationOutputs", "p || ' ' || id", ["path"],
      "(SELECT drv, id, path FROM DerivationOutputs) o JOIN (SELECT id AS i, path AS p FROM ValidPaths) v ON i = drv"
    ),
  ]

  private static func rows(in bytes: [UInt8]) throws -> [String: Rows] {
    var image = DatabaseImage()
    image.bytes = bytes
    // Only what is in the file is compared: SQLite would look for a log beside it.
    for index in [18, 19] where bytes.count > index && bytes[index] == 2 { image.bytes[index] = 1 }
    return try reading(image) { database in
      var result: [String: Rows] = [:]
      for table in tables {
        try checkPlain(table.name, in: database)
        let cursor = try Row.fetchCursor(
          database,
          sql: "SELECT \(([table.key] + table.columns).joined(separator: ", ")) FROM \(table.source)")
        var rows: Rows = [:]
        while let row = try cursor.next() {
          try Cancellation.check()
          let values = row.databaseValues.map { text($0) }
          rows[values.first ?? ""] = Array(values.dropFirst())
        }
        result[table.name] = rows
      }
      return result
    }
  }

  /// Reads a database that may come from anybody.
  ///
  /// - Throws: `DatabaseError`; what `body` throws.
  static func reading<Result>(_ image: DatabaseImage, _ body: (Database) throws -> Result) throws -> Result {
    try image.opened().read { database in
      // A schema may hide any computation behind the name of a column.
      try database.execute(sql: "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON")
      sqlite3_limit(database.sqliteConnection, SQLITE_LIMIT_LENGTH, 16 << 20)
      sqlite3_progress_handler(
        database.sqliteConnection, 10_000, { _ in Cancellation.isRequested ? 1 : 0 }, nil)
      defer { sqlite3_progress_handler(database.sqliteConnection, 0, nil, nil) }
      return try body(database)
    }
  }

  /// - Throws: `DatabaseError` for a view, or a table with columns that are computed.
  static func checkPlain(_ table: String, in database: Database) throws {
    let sql = try String.fetchOne(
      database, sql: "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", arguments: [table])
    let words = sql.map { $0.lowercased() } ?? ""
    guard words.hasPrefix("create table"), !words.contains("generated"), !words.contains(" as ") else {
      throw DatabaseError(message: "\(table) is not a plain table")
    }
  }

  private static func text(_ value: DatabaseValue) -> String {
    switch value.storage {
    case .null: "NULL"
    case .int64(let number): "\(number)"
    case .double(let number): "\(number)"
    case .string(let text): text
    case .blob(let data): Hexadecimal.text(data)
    }
  }
}

internal import Basics
internal import GRDB
internal import GRDBSQLite

/// What a Nix database registers, with all that Nix notes of it. It may come from anybody: its rows are read as plain tables, and
/// none of them is believed before it is checked.
package struct RegisteredPaths: Hashable, Sendable {
  fileprivate struct Path: Hashable, Sendable {
    var id: Int64
    var path: StorePath
    var hash: String
    var registrationTime: Int64
    var deriver: String?
    var narSize: Int64?
    var ultimate: Int64?
    var signatures: String?
    var contentAddress: String?
  }

  fileprivate struct Reference: Hashable, Sendable {
    var referrer: Int64
    var reference: Int64
  }

  fileprivate struct Output: Hashable, Sendable {
    var derivation: Int64
    var name: String
    var path: StorePath
  }

  fileprivate var paths: [Path] = []
  fileprivate var references: [Reference] = []
  fileprivate var outputs: [Output] = []

  /// The paths that are valid.
  package var valid: Set<StorePath> { Set(paths.map(\.path)) }

  /// More than any store has.
  private static let mostPaths = 1_000_000
  private static let mostReferences = 50_000_000

  /// Reads the rows of a database.
  ///
  /// - Parameters:
  ///   - database: the bytes of `db.sqlite`.
  ///   - log: those of the log beside it, `db.sqlite-wal`; empty for none.
  ///   - schema: the text of the file `schema` beside it.
  /// - Throws: `Fault` of kind `badInput` for one of another version than the known one, with more in it than Nix of that version
  ///   writes, or with rows that Nix does not write; `CancellationError`.
  package init(_ database: [UInt8], log: [UInt8], schema: [UInt8]) throws {
    let version = String(decoding: schema.prefix(64), as: UTF8.self).split(whereSeparator: \.isWhitespace)
    guard version == [NixDatabase.schemaVersion[...]] else {
      throw Self.unknown(
        "it is of version '\(version.joined(separator: " "))', and only \(NixDatabase.schemaVersion) is known"
      )
    }
    do {
      self = try NixDatabase.reading(DatabaseImage(database, log: log)) { database in
        try NixDatabase.checkTables(in: database)
        var registered = RegisteredPaths()
        try registered.read(database)
        return registered
      }
      try check()
    } catch is RowDecodingError {
      throw Self.unknown("it has rows that Nix does not write")
    } catch let error as DatabaseError {
      try Cancellation.check()
      throw Self.unknown("it is damaged, or has another schema: \(error)")
    }
  }

  private init() {}

  private mutating func read(_ database: Database) throws {
    let paths = try Row.fetchCursor(
      database,
      sql: """
        SELECT id, path, hash, registrationTime, deriver, narSize, ultimate, sigs, ca FROM ValidPaths ORDER BY id
        """)
    while let row = try paths.next() {
      try Cancellation.check()
      guard self.paths.count < Self.mostPaths else { throw Self.unknown("it has very many paths") }
      let path: String = try row.decode(forColumn: "path")
      self.paths.append(
        Path(
          id: try Self.number("id", of: row), path: try Self.storePath(path),
          hash: try row.decode(forColumn: "hash"),
          registrationTime: try Self.number("registrationTime", of: row),
          deriver: try row.decode(forColumn: "deriver"), narSize: try Self.optionalNumber("narSize", of: row),
          ultimate: try Self.optionalNumber("ultimate", of: row),
          signatures: try row.decode(forColumn: "sigs"),
          contentAddress: try row.decode(forColumn: "ca")))
    }
    let references = try Row.fetchCursor(
      database, sql: "SELECT referrer, reference FROM Refs ORDER BY referrer, reference")
    while let row = try references.next() {
      try Cancellation.check()
      guard self.references.count < Self.mostReferences else {
        throw Self.unknown("it has very many references")
      }
      self.references.append(
        Reference(
          referrer: try Self.number("referrer", of: row), reference: try Self.number("reference", of: row)))
    }
    let outputs = try Row.fetchCursor(
      database, sql: "SELECT drv, id, path FROM DerivationOutputs ORDER BY drv, id")
    while let row = try outputs.next() {
      try Cancellation.check()
      guard self.outputs.count < Self.mostPaths else { throw Self.unknown("it has very many outputs") }
      let path: String = try row.decode(forColumn: "path")
      self.outputs.append(
        Output(
          derivation: try Self.number("drv", of: row), name: try row.decode(forColumn: "id"),
          path: try Self.storePath(path)))
    }
  }

  /// What the schema's constraints would say, which a file need not keep.
  private func check() throws {
    var known: Set<Int64> = []
    for path in paths {
      guard known.insert(path.id).inserted, (path.narSize ?? 0) >= 0, NarHash(path.hash) != nil else {
        throw Self.unknown("its row of \(path.path) is not one of Nix's")
      }
    }
    guard valid.count == paths.count else { throw Self.unknown("it has a path twice") }
    guard Set(references).count == references.count,
      references.allSatisfy({ known.contains($0.referrer) && known.contains($0.reference) }),
      outputs.allSatisfy({ known.contains($0.derivation) })
    else { throw Self.unknown("it refers to paths that it does not have") }
  }

  private static func number(_ column: String, of row: Row) throws -> Int64 {
    guard let number = try optionalNumber(column, of: row) else { throw unknown("it lacks a \(column)") }
    return number
  }

  /// What is no number SQLite would read as one.
  private static func optionalNumber(_ column: String, of row: Row) throws -> Int64? {
    switch (row[column] as DatabaseValue).storage {
    case .null: nil
    case .int64(let number): number
    default: throw unknown("it has a \(column) that is not a number")
    }
  }

  private static func storePath(_ text: String) throws -> StorePath {
    guard let path = StorePath(path: text) else {
      throw unknown("it has '\(text.prefix(200))', which is not a store path")
    }
    return path
  }

  private static func unknown(_ cause: String) -> Fault {
    Fault(
      .badInput, "cannot take over the image's Nix database", cause: cause,
      remedy: "Boot the image, and run there: nix-store --verify --check-contents")
  }
}

extension NixDatabase {
  /// The known tables and their columns.
  private static let columns = [
    "ValidPaths": [
      "ca", "deriver", "hash", "id", "narSize", "path", "registrationTime", "sigs", "ultimate",
    ],
    "Refs": ["reference", "referrer"], "DerivationOutputs": ["drv", "id", "path"],
  ]

  /// - Throws: `DatabaseError` for a database with views, with virtual tables or computed columns, with other columns than Nix's
  ///   tables have, or with rows in a table that is not known.
  fileprivate static func checkTables(in database: Database) throws {
    let tables = try Row.fetchAll(
      database, sql: "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') LIMIT 100")
    for table in tables {
      let name: String = try table.decode(forColumn: "name")
      guard name != "sqlite_sequence" else { continue }
      // Says no to a view, too.
      try checkPlain(name, in: database)
      let quoted = name.replacing("\"", with: "\"\"")
      guard let columns = columns[name] else {
        // An empty one is made again by the Nix that wants it.
        guard try Row.fetchOne(database, sql: "SELECT 1 FROM \"\(quoted)\" LIMIT 1") == nil else {
          throw DatabaseError(message: "the table \(name) is not known")
        }
        continue
      }
      let found = try Row.fetchAll(database, sql: "PRAGMA table_info(\"\(quoted)\")")
      guard try found.map({ try $0.decode(String.self, forColumn: "name") }).sorted() == columns else {
        throw DatabaseError(message: "the table \(name) has other columns")
      }
    }
  }
}

extension RegisteredPaths {
  /// Makes a database with these rows, and behind them those of a closure's paths that are not among them.
  ///
  /// Identifiers, times, signatures and outputs of the rows are kept.
  ///
  /// - Parameters:
  ///   - closure: what becomes valid.
  ///   - store: where the closure's derivations, if it has any, are read for their outputs.
  ///   - registrationTime: the time noted for the new paths, in seconds since 1970.
  /// - Returns: the bytes of the file.
  /// - Throws: `Fault`, also for a derivation that cannot be read; `CancellationError`.
  package func adding(
    _ closure: Closure, from store: StoreLocation, registrationTime: Int64
  ) async throws -> [UInt8] {
    try await onThread {
      do {
        return try NixDatabase.image { database in
          try insertRows(into: database)
          try insert(closure, from: store, registrationTime: registrationTime, into: database)
        }.bytes
      } catch  where error is Fault || error is CancellationError {
        throw error
      } catch {
        throw Fault(.failed, "cannot make the image's Nix database", cause: "\(error)")
      }
    }
  }

  private func insertRows(into database: Database) throws {
    let insertPath = try database.makeStatement(
      sql: """
        INSERT INTO ValidPaths (id, path, hash, registrationTime, deriver, narSize, ultimate, sigs, ca)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        """)
    for row in paths {
      try Cancellation.check()
      try insertPath.execute(arguments: [
        row.id, row.path.path, row.hash, row.registrationTime, row.deriver, row.narSize, row.ultimate,
        row.signatures, row.contentAddress,
      ])
    }
    let insertReference = try database.makeStatement(
      sql: "INSERT INTO Refs (referrer, reference) VALUES (?, ?)")
    for row in references {
      try Cancellation.check()
      try insertReference.execute(arguments: [row.referrer, row.reference])
    }
    for row in outputs {
      try Cancellation.check()
      try database.execute(
        sql: "INSERT INTO DerivationOutputs (drv, id, path) VALUES (?, ?, ?)",
        arguments: [row.derivation, row.name, row.path.path])
    }
  }

  private func insert(
    _ closure: Closure, from store: StoreLocation, registrationTime: Int64, into database: Database
  ) throws {
    var identifiers = Dictionary(uniqueKeysWithValues: paths.map { ($0.path, $0.id) })
    let missing = closure.paths.filter { identifiers[$0.path] == nil }
    var last = max(paths.map(\.id).max() ?? 0, 0)
    guard !last.addingReportingOverflow(Int64(missing.count)).overflow else {
      throw Self.unknown("it has numbers of paths that leave no further ones")
    }
    for info in missing {
      last += 1
      identifiers[info.path] = last
    }
    try NixDatabase.insert(
      missing, identifiers: identifiers, registrationTime: registrationTime, from: store, into: database)
  }
}

internal import Basics
internal import GRDB
internal import GRDBSQLite

/// What a Nix database has, in numbers.
package struct NixDatabaseSummary: Hashable, Sendable {
  /// Store paths that are valid.
  package var paths: UInt64 = 0
  /// References between them.
  package var references: UInt64 = 0
  /// The sum of their NAR sizes, in bytes.
  package var narSize: UInt64 = 0
  /// The latest registration, in seconds since 1970; nil without any.
  package var latestRegistration: Int64?
}

extension NixDatabase {
  /// Counts what a database has, which may come from anybody: only plain tables of the known names are read, and nothing of
  /// a schema is run.
  ///
  /// - Parameters:
  ///   - bytes: those of the file.
  ///   - log: those of the write-ahead log beside it; none without one.
  /// - Returns: nil for what is no such database.
  /// - Throws: `CancellationError`.
  package static func summary(of bytes: [UInt8], log: [UInt8]) throws -> NixDatabaseSummary? {
    do {
      return try reading(DatabaseImage(bytes, log: log)) { database in
        for table in ["ValidPaths", "Refs"] { try checkPlain(table, in: database) }
        var summary = NixDatabaseSummary()
        let paths = try Row.fetchCursor(database, sql: "SELECT registrationTime, narSize FROM ValidPaths")
        while let row = try paths.next() {
          summary.paths += 1
          // A column may hold a value of any type.
          let values: [Int64] = row.databaseValues.map { Int64.fromDatabaseValue($0) ?? 0 }
          guard values.count == 2 else { continue }
          summary.latestRegistration = max(summary.latestRegistration ?? values[0], values[0])
          let (sum, isTooLarge) = summary.narSize.addingReportingOverflow(UInt64(clamping: values[1]))
          summary.narSize = isTooLarge ? .max : sum
        }
        let references = try Row.fetchCursor(database, sql: "SELECT 1 FROM Refs")
        while try references.next() != nil { summary.references += 1 }
        return summary
      }
    } catch is DatabaseError {
      try Cancellation.check()
      return nil
    }
  }
}

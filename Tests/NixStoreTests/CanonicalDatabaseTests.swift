import Command
import Foundation
import GRDB
import SystemPackage
import Testing

@testable import NixStore

/// Databases that a Nix of the guest has written to.
struct CanonicalDatabaseTests {
  private func poured(_ fixture: inout StoreFixture) async throws -> [UInt8] {
    let system = try fixture.addSystem()
    for number in 0..<50 {
      let path = try storePath("p\(number)")
      fixture.register(
        StorePathInfo(path: path, narHash: try someHash(), narSize: 1, references: [path, system]))
    }
    return try await NixDatabase.bytes(
      of: Closure(roots: [system], paths: fixture.paths), from: fixture.location, registrationTime: 1)
  }

  /// - Returns: the database as `body` leaves it, and its log.
  private func changed(_ bytes: [UInt8], _ body: (Database) throws -> Void) throws -> ([UInt8], log: [UInt8])
  {
    let file = FilePath(FileManager.default.temporaryDirectory.path).appending(UUID().uuidString)
    defer {
      for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: file.string + suffix) }
    }
    try Data(bytes).write(to: URL(filePath: file.string))
    let queue = try DatabaseQueue(path: file.string)
    try queue.inDatabase { database in
      // As Nix opens it; nothing of the log is in the database yet.
      try database.execute(sql: "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0")
    }
    try queue.write(body)
    func read(_ suffix: String) throws -> [UInt8] {
      FileManager.default.fileExists(atPath: file.string + suffix)
        ? Array(try Data(contentsOf: URL(filePath: file.string + suffix))) : []
    }
    return (try read(""), try read("-wal"))
  }

  private func canonical(_ database: ([UInt8], log: [UInt8])) throws -> [UInt8]? {
    try NixDatabase.canonical(database.0, log: database.log, registrationTime: 1)
  }

  @Test func whatWasOnlyOpenedIsAsItWasPoured() async throws {
    var fixture = try StoreFixture()
    let bytes = try await poured(&fixture)
    #expect(try canonical((bytes, [])) == bytes)
    let opened = try changed(bytes) { database in
      try database.execute(sql: "UPDATE ValidPaths SET registrationTime = 5")
      try database.execute(sql: "CREATE TABLE SchemaMigrations (migration text primary key not null)")
    }
    #expect(!opened.log.isEmpty)
    #expect(try canonical(opened) == bytes)
  }

  @Test func registrationsOfTheGuestStayInTheOrderOfPaths() async throws {
    var fixture = try StoreFixture()
    let bytes = try await poured(&fixture)
    let added = ["a", "b", "c"].map { "/nix/store/\(String(repeating: $0, count: 32))-x" }
    let orders = [added, added.reversed()]
    let sealed = try zip(orders, [Int64(3), 4]).map { paths, time in
      try canonical(
        changed(bytes) { database in
          for path in paths {
            try database.execute(
              sql: """
                INSERT INTO ValidPaths (path, hash, registrationTime, narSize, ultimate, sigs)
                VALUES (?, 'sha256:x', ?, 9, 1, 'k:s')
                """, arguments: [path, time])
            try database.execute(
              sql:
                "INSERT INTO Refs SELECT id, (SELECT id FROM ValidPaths ORDER BY path LIMIT 1) FROM ValidPaths WHERE path = ?",
              arguments: [path])
          }
        })
    }
    let first = try #require(sealed[0])
    #expect(sealed[1] == first)
    try await DatabaseImage(first, log: []).opened().read { database in
      let rows = try Row.fetchAll(
        database, sql: "SELECT path, ultimate, sigs FROM ValidPaths WHERE narSize = 9 ORDER BY id")
      #expect(rows.map { $0["path"] as String } == added)
      #expect(rows.allSatisfy { $0["ultimate"] == 1 && $0["sigs"] == "k:s" })
      #expect(try Int.fetchOne(database, sql: "SELECT max(registrationTime) FROM ValidPaths") == 1)
      #expect(try Int.fetchOne(database, sql: "PRAGMA foreign_key_check") == nil)
    }
  }

  @Test(arguments: [
    "CREATE TABLE Realisations (id integer); INSERT INTO Realisations VALUES (1)",
    "CREATE VIEW v AS SELECT 1",
    "DROP TABLE Refs; CREATE VIEW Refs AS SELECT 1 AS referrer, 1 AS reference",
    "ALTER TABLE ValidPaths ADD COLUMN x AS (1)",
    "DROP TABLE DerivationOutputs",
    "CREATE VIRTUAL TABLE t USING fts5(x)",
    "ALTER TABLE ValidPaths RENAME TO Paths",
  ])
  func whatNixDoesNotWriteIsLeft(_ sql: String) async throws {
    var fixture = try StoreFixture()
    let bytes = try await poured(&fixture)
    #expect(try canonical(changed(bytes) { try $0.execute(sql: sql) }) == nil)
  }

  /// Whatever is in it: nothing crashes.
  @Test func damagedDatabasesAreLeftOrRead() async throws {
    var fixture = try StoreFixture()
    let bytes = try await poured(&fixture)
    #expect(try canonical(([], [])) == nil)
    var numbers = SystemRandomNumberGenerator()
    for _ in 0..<300 {
      var damaged = bytes
      for _ in 0..<8 { damaged[Int.random(in: 0..<damaged.count, using: &numbers)] = .random(in: 0...255) }
      _ = try canonical((damaged, []))
    }
  }
}

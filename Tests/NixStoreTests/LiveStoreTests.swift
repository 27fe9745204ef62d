import Basics
import Foundation
import GRDB
import Glibc
import SystemPackage
import Testing

@testable import NixStore

struct LiveStoreTests {
  /// A store with a database of ours, as Nix would leave it.
  private func store() async throws -> (fixture: StoreFixture, system: StorePath) {
    var fixture = try StoreFixture()
    let system = try fixture.addSystem()
    try fixture.add("unrelated") { try write("x", to: $0) }
    let folder = fixture.location.databaseDirectory
    try write("10", to: folder.appending("schema"))
    let bytes = try await NixDatabase.bytes(
      of: fixture.closure(system), from: fixture.location, registrationTime: 1)
    try Data(bytes).write(to: URL(filePath: folder.appending("db.sqlite").string))
    return (fixture, system)
  }

  /// Takes a path out of the last transaction, which stays in the log while the writer lives.
  private func writeToLog(of fixture: StoreFixture) async throws -> DatabaseQueue {
    var configuration = Configuration()
    configuration.journalMode = .wal
    let writer = try DatabaseQueue(
      path: fixture.location.databaseDirectory.appending("db.sqlite").string, configuration: configuration)
    try await writer.write { database in
      try database.execute(
        sql: "UPDATE ValidPaths SET narSize = 4711 WHERE path LIKE '%-linux'")
    }
    return writer
  }

  @Test func onlyWhatIsReferredToIsTaken() async throws {
    let (fixture, system) = try await store()
    let closure = try await Closure.read(roots: [system], from: fixture.location)
    #expect(closure == Closure(roots: [system], paths: fixture.paths.dropLast()))
    let names = try FileManager.default.contentsOfDirectory(
      atPath: fixture.location.databaseDirectory.string)
    #expect(names.sorted() == ["db.sqlite", "schema"])
  }

  @Test func theLogIsReadAndNothingIsWritten() async throws {
    let (fixture, system) = try await store()
    let writer = try await writeToLog(of: fixture)
    let folder = fixture.location.databaseDirectory
    let before = try FileManager.default.contentsOfDirectory(atPath: folder.string).sorted()
    #expect(before.contains("db.sqlite-wal"))
    let closure = try await Closure.read(roots: [system], from: fixture.location)
    #expect(closure.paths.contains { $0.narSize == 4711 })
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.string).sorted() == before)
    try writer.close()
  }

  @Test(.enabled(if: getuid() == 0, "needs root, to stop being root"))
  func ordinaryUsersCanRead() async throws {
    let (fixture, system) = try await store()
    let writer = try await writeToLog(of: fixture)
    let root = fixture.location.root.string
    let path = system.path
    await #expect(processExitsWith: .success) {
      [root = root as String, path = path as String] in
      #expect(setgroups(0, nil) == 0 && setgid(65534) == 0 && setuid(65534) == 0)
      #expect(access(root + "/nix/var/nix/db", W_OK) != 0)
      let store = StoreLocation(root: FilePath(root))
      let system = try #require(StorePath(path: path))
      let closure = try await Closure.read(roots: [system], from: store)
      #expect(closure.paths.contains { $0.narSize == 4711 })
    }
    try writer.close()
  }

  @Test func unknownPathsAreNamed() async throws {
    let (fixture, _) = try await store()
    let other = try storePath("other")
    let error = await #expect(throws: Fault.self) {
      try await Closure.read(roots: [other], from: fixture.location)
    }
    #expect(error?.message.hasSuffix("it is not valid in the Nix store") == true)
    #expect(error?.remedy == "Run: nix-store --realise \(other)")
  }

  @Test func foreignDatabasesAreRefused() async throws {
    let (fixture, system) = try await store()
    let folder = fixture.location.databaseDirectory
    func expectUnreadable(_ text: String) async throws {
      let error = await #expect(throws: Fault.self) {
        try await Closure.read(roots: [system], from: fixture.location)
      }
      #expect(error?.kind == .badInput && error?.failure?.hasPrefix("cannot read the Nix database") == true)
      #expect(try #require(error).description.contains(text))
    }
    let file = folder.appending("db.sqlite")
    let queue = try DatabaseQueue(path: file.string)
    try await queue.write { try $0.execute(sql: "UPDATE ValidPaths SET hash = 'md5:0'") }
    try queue.close()
    try await expectUnreadable("is not a SHA-256 hash")
    try FileManager.default.removeItem(atPath: file.string)
    try await expectUnreadable("db.sqlite' does not exist")
    try write(String(repeating: "no database ", count: 100), to: file)
    try await expectUnreadable("not a database")
    try FileManager.default.removeItem(atPath: folder.appending("schema").string)
    try write("11\n", to: folder.appending("schema"))
    try await expectUnreadable("only 10 is known")
    try FileManager.default.removeItem(atPath: folder.appending("schema").string)
    try await expectUnreadable("schema: No such file")
  }

  @Test func aDatabaseInTheMiddleOfATransactionIsNotRead() async throws {
    let (fixture, system) = try await store()
    // As SQLite has it without a log: the journal is emptied when a transaction ends.
    let journal = fixture.location.databaseDirectory.appending("db.sqlite-journal")
    try write("", to: journal)
    #expect(try await Closure.read(roots: [system], from: fixture.location).paths.count > 1)
    try FileManager.default.removeItem(atPath: journal.string)
    try write("pages", to: journal)
    let error = await #expect(throws: Fault.self) {
      try await Closure.read(roots: [system], from: fixture.location)
    }
    #expect(error?.cause.contains("let other Nix commands finish") == true)
  }
}

/// The log as SQLite writes it, against what SQLite reads.
@Suite struct WriteAheadLogTests {
  /// Transactions of every kind: growing, shrinking, larger than the cache, begun again behind a checkpoint.
  private static let steps = [
    "CREATE TABLE t (id INTEGER PRIMARY KEY, x BLOB)",
    "INSERT INTO t (x) SELECT randomblob(3000) FROM generated",
    "UPDATE t SET x = randomblob(100) WHERE id % 3 = 0", "PRAGMA wal_checkpoint(PASSIVE)",
    "INSERT INTO t (x) SELECT randomblob(700) FROM generated", "DELETE FROM t WHERE id > 20", "VACUUM",
    "UPDATE t SET x = randomblob(5)", "PRAGMA wal_checkpoint(RESTART)", "INSERT INTO t (x) VALUES (1)",
  ]

  /// Whoever had the database open last removes the log, at any moment.
  @Test func aLogThatVanishesIsNoFailure() async throws {
    let scratch = try ScratchFolder()
    let file = scratch.path.appending("db.sqlite")
    let log = scratch.path.appending("db.sqlite-wal")
    try Data([1, 2, 3]).write(to: URL(fileURLWithPath: file.string))
    let toggling = Task.detached {
      while !Task.isCancelled {
        try Data(count: 40).write(to: URL(fileURLWithPath: log.string))
        try FileManager.default.removeItem(atPath: log.string)
      }
    }
    defer { toggling.cancel() }
    for _ in 0..<3000 { _ = try DatabaseImage(reading: file) }
  }

  @Test(arguments: [512, 4096, 65536])
  func theLogIsReadAsSQLiteDoes(pageSize: Int) async throws {
    let scratch = try ScratchFolder()
    let file = scratch.path.appending("db.sqlite")
    var configuration = Configuration()
    configuration.prepareDatabase {
      try $0.execute(sql: "PRAGMA page_size = \(pageSize); PRAGMA cache_size = 5")
    }
    configuration.journalMode = .wal
    let writer = try DatabaseQueue(path: file.string, configuration: configuration)
    for step in Self.steps {
      let rows =
        "WITH RECURSIVE generated(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM generated WHERE n < 200) "
      try await writer.writeWithoutTransaction { database in
        _ = try Row.fetchAll(database, sql: step.contains("generated") ? rows + step : step)
      }
      try expectSame(file, writer)
    }
    // What is not committed may be in the log, too.
    try await writer.writeWithoutTransaction { database in
      try database.execute(sql: "BEGIN; UPDATE t SET x = zeroblob(90000)")
      let image = try #require(try DatabaseImage(reading: file)).opened()
      #expect(try image.read { try Int.fetchOne($0, sql: "SELECT max(length(x)) FROM t") == 5 })
      try database.execute(sql: "ROLLBACK")
    }
    try expectSame(file, writer)
    let names = try FileManager.default.contentsOfDirectory(atPath: scratch.path.string)
    #expect(names.sorted() == ["db.sqlite", "db.sqlite-shm", "db.sqlite-wal"])
    try writer.close()
  }

  @Test func aDamagedLogIsReadUpToTheDamage() async throws {
    let scratch = try ScratchFolder()
    let file = scratch.path.appending("db.sqlite")
    var configuration = Configuration()
    configuration.journalMode = .wal
    let writer = try DatabaseQueue(path: file.string, configuration: configuration)
    try await writer.write { try $0.execute(sql: "CREATE TABLE t (x)") }
    let log = [UInt8](try contents(FilePath("\(file)-wal")))
    try await writer.write { try $0.execute(sql: "INSERT INTO t VALUES (1)") }
    let longer = [UInt8](try contents(FilePath("\(file)-wal")))
    for index in Set((0..<40).map { _ in Int.random(in: log.count..<longer.count) }) {
      var (damaged, database) = (longer, [UInt8](try contents(file)))
      damaged[index] ^= 0x11
      WriteAheadLog(damaged)?.apply(to: &database)
      var whole = [UInt8](try contents(file))
      WriteAheadLog(log)?.apply(to: &whole)
      #expect(database == whole, "byte \(index)")
    }
    for count in [0, 1, 31, 32, 60] {
      var database: [UInt8] = [1, 2, 3]
      WriteAheadLog(Array(log.prefix(count)))?.apply(to: &database)
      #expect(database == [1, 2, 3])
    }
    try writer.close()
  }

  private func expectSame(_ file: FilePath, _ writer: DatabaseQueue) throws {
    let image = try #require(try DatabaseImage(reading: file)).opened()
    let query = "SELECT id, hex(x) FROM t ORDER BY id"
    let (ours, theirs) = (
      try image.read { try Row.fetchAll($0, sql: query) },
      try writer.read { try Row.fetchAll($0, sql: query) }
    )
    #expect(ours == theirs)
    #expect(try image.read { try String.fetchOne($0, sql: "PRAGMA integrity_check") } == "ok")
  }
}

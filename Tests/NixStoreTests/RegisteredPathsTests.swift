import Basics
import Command
import Foundation
import GRDB
import SystemPackage
import Testing

@testable import NixStore

/// Databases of images, to which a closure is added.
struct RegisteredPathsTests {
  private func database(_ fixture: StoreFixture, _ sql: String = "") async throws -> [UInt8] {
    let roots = fixture.paths.map(\.path)
    let bytes = try await NixDatabase.bytes(
      of: Closure(roots: roots, paths: fixture.paths), from: fixture.location, registrationTime: 1)
    guard !sql.isEmpty else { return bytes }
    let queue = try DatabaseImage(bytes, log: []).opened()
    try await queue.writeWithoutTransaction { database in
      try database.execute(sql: "PRAGMA foreign_keys = OFF; PRAGMA writable_schema = ON")
      try database.execute(sql: sql)
    }
    return try DatabaseImage(of: queue).bytes
  }

  private func registered(_ bytes: [UInt8], schema: String = "10") throws -> RegisteredPaths {
    try RegisteredPaths(bytes, log: [], schema: Array(schema.utf8))
  }

  private func rows(_ bytes: [UInt8], _ sql: String) throws -> [[DatabaseValue]] {
    try DatabaseImage(bytes, log: []).opened().read {
      try Row.fetchAll($0, sql: sql).map { Array($0.databaseValues) }
    }
  }

  @Test func rowsAreKeptAndNewOnesFollow() async throws {
    var fixture = try StoreFixture()
    let library = try fixture.add("library") { try write("bytes", to: $0) }
    let old = try await database(
      fixture,
      """
      UPDATE ValidPaths SET id = 41, registrationTime = 7, ultimate = 1, sigs = 'key:signature', deriver = 'x';
      INSERT INTO DerivationOutputs SELECT 41, 'out', path FROM ValidPaths
      """)
    let system = try fixture.add("system", references: [library]) { try write("system", to: $0) }
    let merged = try await registered(old).adding(
      fixture.closure(system), from: fixture.location, registrationTime: 9)
    let paths = "SELECT * FROM ValidPaths ORDER BY id"
    #expect(try rows(merged, paths).prefix(1) == rows(old, paths)[...])
    #expect(
      try rows(merged, "SELECT id, path, registrationTime FROM ValidPaths WHERE id > 41")
        == [[42.databaseValue, system.path.databaseValue, 9.databaseValue]])
    #expect(try rows(merged, "SELECT referrer, reference FROM Refs") == [[42, 41].map(\.databaseValue)])
    let outputs = "SELECT * FROM DerivationOutputs"
    #expect(try rows(merged, outputs) == rows(old, outputs))
    #expect(try rows(merged, "PRAGMA foreign_key_check").isEmpty)
    #expect(try registered(merged).valid == [library, system])
  }

  @Test func whatIsValidAlreadyIsNotRegisteredAgain() async throws {
    var fixture = try StoreFixture()
    let system = try fixture.addSystem()
    let bytes = try await database(fixture)
    let merged = try await registered(bytes).adding(
      fixture.closure(system), from: fixture.location, registrationTime: 9)
    #expect(merged == bytes)
  }

  @Test func anotherVersionIsRefused() async throws {
    let bytes = try await database(StoreFixture())
    for schema in ["", "9", "11", "10 10", "\u{1b}[2J"] {
      let fault = #expect(throws: Fault.self) { try registered(bytes, schema: schema) }
      #expect(fault?.kind == .badInput && fault?.message.contains("only 10 is known") == true)
    }
    #expect(try registered(bytes, schema: "10\n").valid.isEmpty)
  }

  @Test(arguments: [
    "CREATE TABLE Realisations (id integer); INSERT INTO Realisations VALUES (1)",
    "CREATE VIEW v AS SELECT 1",
    "DROP TABLE Refs; CREATE VIEW Refs AS SELECT 1 AS referrer, 1 AS reference",
    "ALTER TABLE ValidPaths ADD COLUMN x AS (1)", "ALTER TABLE ValidPaths ADD COLUMN x",
    "DROP TABLE DerivationOutputs", "CREATE VIRTUAL TABLE t USING fts5(x)",
    "UPDATE ValidPaths SET path = '/etc/passwd'", "UPDATE ValidPaths SET path = x'00'",
    "UPDATE ValidPaths SET hash = 'md5:x'", "UPDATE ValidPaths SET narSize = -1",
    "UPDATE ValidPaths SET registrationTime = 'never'", "INSERT INTO Refs VALUES (1, 99)",
    "INSERT INTO DerivationOutputs VALUES (99, 'out', '/nix/store/00000000000000000000000000000000-a')",
    "INSERT INTO DerivationOutputs VALUES (1, 'out', 'a')",
  ])
  func whatNixDoesNotWriteIsRefused(_ sql: String) async throws {
    var fixture = try StoreFixture()
    try fixture.add("library") { try write("bytes", to: $0) }
    let bytes = try await database(fixture, sql)
    let fault = #expect(throws: Fault.self) { try registered(bytes) }
    #expect(fault?.kind == .badInput && fault?.remedy != nil)
  }

  @Test func numbersThatLeaveNoFurtherOnesAreRefused() async throws {
    var fixture = try StoreFixture()
    try fixture.add("library") { try write("bytes", to: $0) }
    let full = try registered(try await database(fixture, "UPDATE ValidPaths SET id = \(Int64.max)"))
    let system = try fixture.add("system") { try write("system", to: $0) }
    let (closure, location) = (fixture.closure(system), fixture.location)
    await #expect(throws: Fault.self) {
      try await full.adding(closure, from: location, registrationTime: 1)
    }
  }

  /// Whatever is in it: nothing crashes, and what is read can be written again.
  @Test func damagedDatabasesAreRefusedOrRead() async throws {
    var fixture = try StoreFixture()
    let system = try fixture.addSystem()
    let bytes = try await database(fixture)
    #expect(throws: Fault.self) { try registered([]) }
    var numbers = SystemRandomNumberGenerator()
    for _ in 0..<300 {
      var damaged = bytes
      for _ in 0..<4 { damaged[Int.random(in: 0..<damaged.count, using: &numbers)] = .random(in: 0...255) }
      do {
        let merged = try await registered(damaged).adding(
          fixture.closure(system), from: fixture.location, registrationTime: 1)
        _ = try registered(merged)
      } catch let fault as Fault {
        #expect(fault.kind == .badInput)
      }
    }
  }
}

/// The same in the hands of the real Nix.
@Suite(.enabled(if: isInstalled("nix-store"), "needs nix-store"))
struct MergedDatabaseTests {
  @Test func nixAcceptsTheMergedDatabase() async throws {
    let nix = try await NixFixture.make()
    let closure = try await Closure.read(roots: [nix.system], from: nix.location)
    // An image that has a path of the closure, and one of its own that is a root.
    let image = StoreLocation(root: nix.scratch.path.appending("image"))
    try makeFolder(image.directory)
    let source = try required(closure.paths.first { !$0.path.isDerivation })
    let own = nix.scratch.path.appending("own")
    try write("the image's own", to: own)
    try await SubprocessRunner().run(
      "cp", "-a", nix.location.file(of: source.path).string, image.directory.string)
    let registration = "\(nix.scratch.path)/registration"
    try Data(Closure(roots: [], paths: [source]).registrationText).write(to: URL(filePath: registration))
    try await SubprocessRunner().run(
      Command(
        "sh", ["-c", "nix-store --load-db --store local?root=\(image.root) <\(registration)"],
        environment: ["NIX_CONFIG": "build-users-group ="]))
    let kept = try required(
      try await nix.run("nix-store", "--add", own.string, in: image).first.flatMap(StorePath.init(path:)))
    let roots = image.root.appending("nix/var/nix/gcroots")
    try link(roots.appending("own"), to: kept.path)

    let folder = image.databaseDirectory
    func file(_ name: String) -> [UInt8] { (try? contents(folder.appending(name))).map { Array($0) } ?? [] }
    let old = try RegisteredPaths(
      file("db.sqlite"), log: file("db.sqlite-wal"), schema: file("schema"))
    #expect(old.valid == [source.path, kept])
    let merged = try await old.adding(closure, from: nix.location, registrationTime: 5)
    for info in closure.paths where info.path != source.path {
      try await SubprocessRunner().run(
        "cp", "-a", nix.location.file(of: info.path).string, image.directory.string)
    }
    try FileManager.default.removeItem(atPath: folder.string)
    try makeFolder(folder)
    try Data(merged).write(to: URL(filePath: folder.appending("db.sqlite").string))
    try write("10", to: folder.appending("schema"), mode: 0o644)

    try await nix.run("nix-store", "--verify", "--check-contents", in: image)
    let requisites = try await nix.run("nix-store", "--query", "--requisites", nix.system.path, in: image)
    #expect(Set(requisites) == Set(closure.paths.map(\.path.path)))
    // What is garbage to Nix is what was added and has no root; what had one stays.
    try await nix.run("nix-store", "--gc", in: image)
    #expect(try await nix.run("nix-store", "--query", "--requisites", kept.path, in: image) == [kept.path])
    #expect(!image.exists(FilePath(nix.system.path)))
  }
}

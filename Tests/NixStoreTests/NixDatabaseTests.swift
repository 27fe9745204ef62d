import Basics
import Command
import Foundation
import GRDB
import SystemPackage
import Testing

@testable import NixStore

struct NixDatabaseTests {
  /// Where the paths come from, in which order they are named: nothing of it shows.
  @Test func sameClosureGivesSameBytes() async throws {
    var fixture = try StoreFixture()
    let system = try fixture.addSystem()
    for number in 0..<300 {
      let path = try storePath("p\(number)")
      let references = [path, try #require(fixture.paths.randomElement()).path, system]
      fixture.register(
        StorePathInfo(
          path: path, narHash: try someHash(), narSize: 1, deriver: try storePath("d.drv"),
          references: references, contentAddress: number % 7 == 0 ? "text:sha256:x" : nil))
    }
    var files: [[UInt8]] = []
    for _ in 0..<3 {
      let closure = Closure(roots: [system], paths: fixture.paths.shuffled())
      files.append(try await NixDatabase.bytes(of: closure, from: fixture.location, registrationTime: 1))
    }
    #expect(files[0] == files[1])
    #expect(files[0] == files[2])
    // Bytes 18 and 19 are 2 where SQLite expects a write-ahead log.
    #expect(Array(files[0][18..<20]) == [1, 1])
    #expect(try FileManager.default.contentsOfDirectory(atPath: fixture.scratch.path.string) == ["root"])
  }

  @Test func whatIsWrittenIsRead() async throws {
    var fixture = try StoreFixture()
    let system = try fixture.addSystem()
    try write("10", to: fixture.location.databaseDirectory.appending("schema"))
    let file = fixture.location.databaseDirectory.appending("db.sqlite")
    let closure = fixture.closure(system)
    try Data(await NixDatabase.bytes(of: closure, from: fixture.location, registrationTime: 7))
      .write(to: URL(filePath: file.string))
    let read = try await Closure.read(roots: [system], from: fixture.location)
    #expect(read == closure)
    let times = try await DatabaseQueue(path: file.string).read {
      try Int64.fetchSet($0, sql: "SELECT registrationTime FROM ValidPaths")
    }
    #expect(times == [7])
  }

  @Test func incompleteClosuresAreRefused() async throws {
    var fixture = try StoreFixture()
    let system = try fixture.addSystem()
    let closure = Closure(roots: [system], paths: fixture.paths.dropFirst())
    let location = fixture.location
    await #expect(throws: Fault.self) {
      try await NixDatabase.bytes(of: closure, from: location, registrationTime: 1)
    }
  }

  @Test(arguments: [
    #"Derive([("out","/nix/store/wsapfasykqjyaw5h4glxcsgprzxp7bjd-a","","")],[],[],"x","y",[],[])"#,
    #"DrvWithVersion("xp-dyn-drv",[("out","/nix/store/wsapfasykqjyaw5h4glxcsgprzxp7bjd-a","","")],[("#,
    #"Derive([("dev","","r:sha256",""),("out","/nix/store/wsapfasykqjyaw5h4glxcsgprzxp7bjd-a","","")]"#,
  ])
  func derivationsNameTheirOutputs(_ text: String) throws {
    let outputs = try #require(Derivation.outputs(of: Array(text.utf8)))
    #expect(outputs.map(\.name) == ["out"])
    #expect(outputs.map(\.path.name) == ["wsapfasykqjyaw5h4glxcsgprzxp7bjd-a"])
  }

  @Test func brokenDerivationsAreRefused() {
    let text = Array(#"Derive([("out","/nix/store/wsapfasykqjyaw5h4glxcsgprzxp7bjd-a","","")]"#.utf8)
    for length in 0..<text.count {
      #expect(Derivation.outputs(of: text[..<length]) == nil)
    }
  }
}

/// The same closure in the hands of the real Nix.
@Suite(.enabled(if: isInstalled("nix-store"), "needs nix-store"))
struct NixAgreementTests {
  @Test func nixAcceptsOurDatabase() async throws {
    let nix = try await NixFixture.make()
    let closure = try await Closure.read(roots: [nix.system], from: nix.location)
    let asked = try await nix.run("nix-store", "--query", "--requisites", nix.system.path)
    #expect(Set(asked) == Set(closure.paths.map(\.path.path)))
    #expect(try closure.damage(in: nix.location).map(\.description) == [])

    // The same trees below a second root, registered by us.
    let copy = StoreLocation(root: nix.scratch.path.appending("copy"))
    try makeFolder(copy.directory)
    try makeFolder(copy.databaseDirectory)
    for info in closure.paths {
      try await SubprocessRunner().run(
        "cp", "-a", nix.location.file(of: info.path).string, copy.directory.string)
    }
    let database = copy.databaseDirectory.appending("db.sqlite")
    try Data(await NixDatabase.bytes(of: closure, from: nix.location, registrationTime: 1))
      .write(to: URL(filePath: database.string))
    try write("10", to: copy.databaseDirectory.appending("schema"), mode: 0o644)
    let requisites = try await nix.run("nix-store", "--query", "--requisites", nix.system.path, in: copy)
    #expect(Set(requisites) == Set(asked))
    try await nix.run("nix-store", "--verify", "--check-contents", in: copy)
    #expect(try rows(of: copy) == rows(of: nix.location))
    #expect(try schema(of: copy) == schema(of: nix.location))
  }

  @Test func dumpedDatabasesAreRead() async throws {
    let nix = try await NixFixture.make()
    let closure = try await Closure.read(roots: [nix.system], from: nix.location)
    let dump = try await nix.run("nix-store", "--dump-db").map { $0 + "\n" }.joined()
    let parsed = Closure(roots: [nix.system], paths: try Registration.parse(Array(dump.utf8), in: "/"))
    // The dump has no content addresses.
    let expected = closure.paths.map {
      StorePathInfo(
        path: $0.path, narHash: $0.narHash, narSize: $0.narSize, deriver: $0.deriver,
        references: $0.references)
    }
    #expect(parsed.paths == expected)
  }

  /// All rows by path: identifiers and times are Nix's own.
  private func rows(of store: StoreLocation) throws -> [[String]] {
    try DatabaseQueue(path: store.databaseDirectory.appending("db.sqlite").string).read { database in
      try [
        "SELECT path, hash, deriver, narSize, ca FROM ValidPaths ORDER BY path",
        """
        SELECT a.path, b.path FROM Refs JOIN ValidPaths a ON a.id = referrer
        JOIN ValidPaths b ON b.id = reference ORDER BY 1, 2
        """,
        """
        SELECT v.path, o.id, o.path FROM DerivationOutputs o JOIN ValidPaths v ON v.id = drv ORDER BY 1, 2
        """,
      ].map { try Row.fetchAll(database, sql: $0).map(\.description) }
    }
  }

  /// What SQLite knows of tables, columns, keys, indexes and triggers, without comments and spacing.
  private func schema(of store: StoreLocation) throws -> [String] {
    try DatabaseQueue(path: store.databaseDirectory.appending("db.sqlite").string).read { database in
      try String.fetchAll(database, sql: "SELECT sql FROM sqlite_schema WHERE sql NOT NULL ORDER BY name").map
      {
        $0.replacing(/--[^\n]*/, with: "").replacing(/\s+/, with: "").lowercased()
      }
    }
  }
}

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
    try await NixDatabase.write(
      fixture.closure(system), from: fixture.location, registrationTime: 1, to: folder.appending("db.sqlite"))
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
    let closure = try await Closure.read(
      roots: [system], from: fixture.location, scratch: fixture.scratch.path)
    #expect(closure == Closure(roots: [system], paths: fixture.paths.dropLast()))
    let names = try FileManager.default.contentsOfDirectory(atPath: fixture.scratch.path.string)
    #expect(names == ["root"])
  }

  @Test func theLogIsReadAndNothingIsWritten() async throws {
    let (fixture, system) = try await store()
    let writer = try await writeToLog(of: fixture)
    let folder = fixture.location.databaseDirectory
    let before = try FileManager.default.contentsOfDirectory(atPath: folder.string).sorted()
    #expect(before.contains("db.sqlite-wal"))
    let closure = try await Closure.read(
      roots: [system], from: fixture.location, scratch: fixture.scratch.path)
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
    let scratch = fixture.scratch.path.appending("mine").string
    try makeFolder(FilePath(scratch))
    #expect(chown(scratch, 65534, 65534) == 0)
    await #expect(processExitsWith: .success) {
      [root = root as String, path = path as String, scratch = scratch as String] in
      #expect(setgroups(0, nil) == 0 && setgid(65534) == 0 && setuid(65534) == 0)
      #expect(access(root + "/nix/var/nix/db", W_OK) != 0)
      let store = StoreLocation(root: FilePath(root))
      let system = try #require(StorePath(path: path))
      let closure = try await Closure.read(roots: [system], from: store, scratch: FilePath(scratch))
      #expect(closure.paths.contains { $0.narSize == 4711 })
    }
    try writer.close()
  }

  @Test func unknownPathsAreNamed() async throws {
    let (fixture, _) = try await store()
    let other = try storePath("other")
    let error = await #expect(throws: StoreError.self) {
      try await Closure.read(roots: [other], from: fixture.location, scratch: fixture.scratch.path)
    }
    #expect(error?.code == .notRegistered)
    #expect(error?.remedy == "Run: nix-store --realise \(other)")
  }

  @Test func foreignDatabasesAreRefused() async throws {
    let (fixture, system) = try await store()
    let folder = fixture.location.databaseDirectory
    func expectUnreadable(_ text: String) async throws {
      let error = await #expect(throws: StoreError.self) {
        try await Closure.read(roots: [system], from: fixture.location, scratch: fixture.scratch.path)
      }
      #expect(error?.code == .unreadableDatabase)
      #expect(try #require(error).description.contains(text))
    }
    let file = folder.appending("db.sqlite")
    let queue = try DatabaseQueue(path: file.string)
    try await queue.write { try $0.execute(sql: "UPDATE ValidPaths SET hash = 'md5:0'") }
    try queue.close()
    try await expectUnreadable("is no SHA-256")
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
}

internal import AgentProtocol
internal import Glibc
internal import ImageModel
internal import SystemPackage
internal import TestSupport
internal import Testing

@testable internal import InstallSteps

@Suite("addStorePaths")
struct StoreAdditionTests {
  private func makeSource(_ source: FilePath) throws {
    try source.appending("nix/store/abc-hello/bin/hello").write("hello", mode: 0o555)
    try source.appending("nix/store/abc-file").write("file", mode: 0o444)
    try source.appending("nix/store/abc-link").link(to: "abc-file")
    #expect(chmod(source.appending("nix/store/abc-hello").string, 0o555) == 0)
    try source.appending("nix/var/nix/db/db.sqlite").write("new")
    try source.appending("nix/var/nix/db/schema").write("10")
  }

  private func add(_ source: FilePath, to root: FilePath) async throws {
    try await StoreAddition(root: root.string).run(
      from: source.string, workers: 2, progress: CopyProgress(total: 100) { _ in })
  }

  @Test("paths come beside those there are, and the database in the place of the old one", .needsRoot)
  func added() async throws {
    try await withScratchDirectory { folder in
      let (source, root) = (folder.appending("source"), folder.appending("root"))
      try makeSource(source)
      let (store, database) = (root.appending("nix/store"), root.appending("nix/var/nix/db"))
      try store.appending("abc-old/file").write("old")
      #expect(chmod(store.string, 0o1775) == 0)
      for name in ["db.sqlite", "db.sqlite-wal", "db.sqlite-shm"] {
        try database.appending(name).write("old")
      }
      try await add(source, to: root)
      #expect(try Files.names(in: store.string) == ["abc-file", "abc-hello", "abc-link", "abc-old"])
      #expect(try Files.text(of: store.appending("abc-hello/bin/hello").string) == "hello")
      #expect(try store.appending("abc-hello").status().st_mode & 0o7777 == 0o555)
      #expect(try store.appending("abc-link").linkDestination() == "abc-file")
      #expect(try store.status().st_mode & 0o7777 == 0o1775)
      // The old log would be taken for the new database's.
      #expect(try Files.names(in: database.string) == ["db.sqlite", "schema"])
      #expect(try Files.text(of: database.appending("db.sqlite").string) == "new")
      #expect(try Files.names(in: root.appending("nix/var/nix").string) == ["db"])
    }
  }

  @Test("what is in the way, and what a power cut has left, is replaced", .needsRoot)
  func replaced() async throws {
    try await withScratchDirectory { folder in
      let (source, root) = (folder.appending("source"), folder.appending("root"))
      try makeSource(source)
      let store = root.appending("nix/store")
      try store.appending("abc-hello/bin/hello").write("half")
      try store.appending("abc-file/was/a/folder").write("half")
      try store.appending("abc-link").write("half")
      try store.appending(".slipway-new/abc-hello/x").write("left")
      try root.appending("nix/var/nix/.slipway-db/db.sqlite").write("left")
      for _ in 0..<2 { try await add(source, to: root) }
      #expect(try Files.names(in: store.string) == ["abc-file", "abc-hello", "abc-link"])
      #expect(try Files.text(of: store.appending("abc-hello/bin/hello").string) == "hello")
      #expect(try Files.text(of: store.appending("abc-file").string) == "file")
      #expect(try Files.names(in: store.appending("abc-hello").string) == ["bin"])
      #expect(try Files.names(in: root.appending("nix/var/nix").string) == ["db"])
    }
  }

  @Test("without a mounted root nothing is added")
  func notMounted() async throws {
    try await withScratchDirectory { folder in
      let step = InstallStep.addStorePaths(
        from: .disk(serial: "x"), type: .ext4, workers: 1, content: .mebibytes(1))
      let failure = await #expect(throws: StepFailure.self) {
        try await step.run(in: EventLog().context(RecordingRunner(), root: folder))
      }
      #expect(failure?.message.contains("nothing is mounted on \(folder)") == true)
    }
  }
}

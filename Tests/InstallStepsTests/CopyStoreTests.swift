internal import AgentProtocol
internal import Glibc
internal import SystemPackage
internal import TestSupport
internal import Testing

@testable internal import InstallSteps

private func makeSource(_ folder: FilePath) throws {
  try folder.appending("store/abc-hello/bin/hello").write("hello", mode: 0o555)
  try folder.appending("db/db.sqlite").write("database", mode: 0o600)
  try folder.appending("db/schema").write("10", mode: 0o600)
}

@Suite("copyStore")
struct CopyStoreTests {
  @Test("Nix finds its directories as it makes them itself", .needsRoot)
  func layout() async throws {
    try await withScratchDirectory { folder in
      let (source, root) = (folder.appending("source"), folder.appending("root"))
      try makeSource(source)
      try root.makeDirectory()
      let log = EventLog()
      let progress = CopyProgress(total: 100) { _ in }
      try await copyStore(from: source.string, to: root.string, workers: 2, progress: progress)
      #expect(log.warnings == [])
      func mode(_ name: String) throws -> mode_t {
        let status = try root.appending("nix/\(name)").status()
        #expect(status.st_uid == 0)
        #expect(status.st_gid == (name == "store" ? 30000 : 0))
        return status.st_mode & 0o7777
      }
      #expect(try mode("store") == 0o1775)
      #expect(try mode("store/abc-hello/bin/hello") == 0o555)
      #expect(try mode("var/nix/db/db.sqlite") == 0o644)
      #expect(try mode("var/nix/db/schema") == 0o644)
      #expect(try mode("var/nix/db/big-lock") == 0o600)
      for name in ["gcroots/auto", "profiles/per-user", "temproots", "userpool", "db"] {
        #expect(try mode("var/nix/\(name)") == 0o755)
      }
      #expect(
        try root.appending("nix/var/nix/gcroots/profiles").linkDestination() == "/nix/var/nix/profiles")
    }
  }

  @Test("a full target is named, with its remedy", .needsRoot)
  func full() async throws {
    try await withScratchDirectory { folder in
      let (source, root) = (folder.appending("source"), folder.appending("root"))
      try makeSource(source)
      try source.appending("store/abc-big").write([UInt8](repeating: 1, count: 3 << 20))
      try root.makeDirectory()
      try Mounts.mount("tmpfs", on: root.string, type: "tmpfs", data: "size=1m")
      defer { umount2(root.string, 0) }
      let failure = await #expect(throws: SystemFailure.self) {
        try await copyStore(
          from: source.string, to: root.string, workers: 2, progress: CopyProgress(total: 100) { _ in })
      }
      let text = failure?.description ?? ""
      #expect(text.hasPrefix("the target disk is full: cannot "))
      #expect(text.contains("abc-big"))
      #expect(text.contains("diskSize"))
    }
  }

  @Test("without a mounted root nothing is copied")
  func notMounted() async throws {
    try await withScratchDirectory { folder in
      let step = InstallStep.copyStore(CopyStore(sourceDisk: "x", sourceType: "ext4", workers: 1))
      let failure = await #expect(throws: StepFailure.self) {
        try await step.run(in: EventLog().context(RecordingRunner(), root: folder))
      }
      #expect(failure?.message.contains("nothing is mounted on \(folder)") == true)
    }
  }
}

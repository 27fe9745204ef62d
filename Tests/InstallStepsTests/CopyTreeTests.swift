internal import AgentProtocol
internal import Glibc
internal import ImageModel
internal import SystemPackage
internal import TestSupport
internal import Testing

@testable internal import InstallSteps

private func makeSource(_ folder: FilePath) throws {
  try folder.appending("nix/store/abc-hello/bin/hello").write("hello", mode: 0o555)
  try folder.appending("lost+found/x").write("", mode: 0o600)
}

private func copy(_ source: FilePath, to root: FilePath) async throws {
  let progress = CopyProgress(total: 100) { _ in }
  try await TreeCopy(from: source.string, to: root.string, without: ["lost+found"], progress: progress)
    .run(workers: 2)
}

@Suite("copyTree")
struct CopyTreeTests {
  @Test("owners and modes are kept, and what the filesystem has for itself stays", .needsRoot)
  func layout() async throws {
    try await withScratchDirectory { folder in
      let (source, root) = (folder.appending("source"), folder.appending("root"))
      try makeSource(source)
      let store = source.appending("nix/store").string
      #expect(chown(store, 0, 30000) == 0 && chmod(store, 0o1775) == 0)
      let link = source.appending("nix/link").string
      #expect(symlink("store", link) == 0 && lchown(link, 7, 8) == 0)
      try root.makeDirectory()
      try await copy(source, to: root)
      #expect(try root.appending("nix/store").status().st_gid == 30000)
      #expect(try root.appending("nix/store").status().st_mode & 0o7777 == 0o1775)
      #expect(try root.appending("nix/store/abc-hello/bin/hello").status().st_mode & 0o7777 == 0o555)
      #expect(try root.appending("nix/link").status().st_uid == 7)
      #expect(!Files.exists(root.appending("lost+found").string))
    }
  }

  @Test("a full target is a failure that names the file", .needsRoot)
  func full() async throws {
    try await withScratchDirectory { folder in
      let (source, root) = (folder.appending("source"), folder.appending("root"))
      try makeSource(source)
      try source.appending("nix/store/abc-big").write([UInt8](repeating: 1, count: 3 << 20))
      try root.makeDirectory()
      try Mounts.mount("tmpfs", on: root.string, type: "tmpfs", data: "size=1m")
      defer { umount2(root.string, 0) }
      let failure = await #expect(throws: SystemFailure.self) {
        try await copy(source, to: root)
      }
      let text = failure?.description ?? ""
      #expect(text.contains("abc-big") && text.contains("No space left on device"))
      // What is full is told where all that can be full is looked at.
      let figures = StorageFigures.look(root: root.string)
      #expect(figures.places.map(\.path) == ["/"])
      #expect(figures.verdict(on: [text]).cause.contains("is full: "))
    }
  }

  @Test("without a mounted root nothing is copied")
  func notMounted() async throws {
    try await withScratchDirectory { folder in
      let step = InstallStep.copyTree(
        from: .disk(serial: "x"), type: .ext4, workers: 1, content: .mebibytes(1))
      let failure = await #expect(throws: StepFailure.self) {
        try await step.run(in: EventLog().context(RecordingRunner(), root: folder))
      }
      #expect(failure?.message.contains("nothing is mounted on \(folder)") == true)
    }
  }
}

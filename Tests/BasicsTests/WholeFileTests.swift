internal import Command
internal import Glibc
internal import SystemPackage
internal import TestSupport
internal import Testing

@testable internal import Basics

@Suite struct WholeFileTests {
  private struct Stop: Error {}

  /// On a filesystem that has files without names, or as on one that has none.
  private func make(
    _ path: FilePath, _ temporary: FilePath?, isNamed: Bool, _ fill: (FileDescriptor) throws -> Void
  ) throws {
    if isNamed {
      try WholeFile.makeNamed(path, replacingBy: temporary, mode: 0o644, fill)
    } else {
      try WholeFile.make(path, replacingBy: temporary, fill)
    }
  }

  private func names(in folder: FilePath) throws -> [String] {
    try Folder.names(in: folder).map { String(decoding: $0, as: UTF8.self) }
  }

  /// A process that is killed while it writes leaves nothing, as there is nothing yet.
  @Test func aFileHasNoNameUntilItIsWhole() async throws {
    try await withScratchDirectory { scratch in
      let (file, temporary) = (scratch.appending("file"), scratch.appending("new"))
      try WholeFile.make(file, mode: 0o600) { output in
        try output.writeAll("one".utf8)
        #expect(try names(in: scratch) == [])
      }
      #expect(try FileStatus(of: file).permissions == 0o600)
      try WholeFile.make(file, replacingBy: temporary) { output in
        try output.writeAll("two".utf8)
        #expect(try names(in: scratch) == ["file"])
        #expect(try WholeFile.read(file) == Array("one".utf8))
      }
      #expect(try names(in: scratch) == ["file"])
      #expect(try WholeFile.read(file) == Array("two".utf8))
    }
  }

  @Test(arguments: [false, true]) func whatFailsLeavesAllAsItWas(isNamed: Bool) async throws {
    try await withScratchDirectory { scratch in
      let (file, temporary) = (scratch.appending("file"), scratch.appending("new"))
      try make(file, nil, isNamed: isNamed) { _ = try $0.writeAll("old".utf8) }
      for place in [file, scratch.appending("other")] {
        #expect(throws: Stop.self) {
          try make(place, temporary, isNamed: isNamed) { file in
            try file.writeAll("half".utf8)
            throw Stop()
          }
        }
      }
      let taken = #expect(throws: PathFailure.self) { try make(file, nil, isNamed: isNamed) { _ in } }
      #expect(taken?.reason == .fileExists && taken?.path == file)
      #expect(try names(in: scratch) == ["file"])
      #expect(try WholeFile.read(file) == Array("old".utf8))
    }
  }

  @Test(arguments: [false, true]) func whatAKilledCallLeftIsReplaced(isNamed: Bool) async throws {
    try await withScratchDirectory { scratch in
      let (file, temporary) = (scratch.appending("file"), scratch.appending("new"))
      try WholeFile.write(Array("of a killed call".utf8), to: temporary)
      try make(file, temporary, isNamed: isNamed) { _ = try $0.writeAll("whole".utf8) }
      #expect(try names(in: scratch) == ["file"])
      #expect(try WholeFile.read(file) == Array("whole".utf8))
    }
  }

  @Test func failuresHaveThePathAndTheReason() async throws {
    try await withScratchDirectory { scratch in
      let missing = scratch.appending("none").appending("file")
      for attempt in [
        { _ = try WholeFile.read(missing) }, { try WholeFile.write([], to: missing) },
        { try WholeFile.make(missing) { _ in } }, { _ = try Folder.names(in: missing) },
        { try WholeFile.copy(missing, to: scratch.appending("copy")) },
      ] as [() throws -> Void] {
        let failure = #expect(throws: PathFailure.self, performing: attempt)
        #expect(failure?.reason == .noSuchFileOrDirectory && failure?.path == missing)
      }
      let file = scratch.appending("file")
      try WholeFile.write([1, 2, 3], to: file)
      #expect(try WholeFile.read(file, limit: 3) == [1, 2, 3])
      #expect(throws: PathFailure("read", file, .fileTooLarge)) { try WholeFile.read(file, limit: 2) }
    }
  }

  @Test func namesAreBytesAndFoldersAreMadeWithThoseAboveThem() async throws {
    try await withScratchDirectory { scratch in
      let folder = scratch.appending("a").appending("b")
      try Folder.makeAll(folder)
      try Folder.makeAll(folder)
      let odd: [UInt8] = [0x78, 0xFF]
      try WholeFile.write([7], to: folder.appending(bytes: odd))
      #expect(try Folder.names(in: folder) == [odd])
      try Folder.move(folder.appending(bytes: odd), to: folder.appending("y"))
      try Folder.link(folder.appending("z"), to: "y")
      try WholeFile.copy(folder.appending("z"), to: folder.appending("x"), mode: 0o600)
      #expect(try names(in: folder) == ["x", "y", "z"])
      #expect(try FileStatus(of: folder.appending("x"), followingLinks: false).kind == .file)
      #expect(try WholeFile.read(folder.appending("x")) == [7])
      try WholeFile.write([], to: scratch.appending("file"))
      let failure = #expect(throws: PathFailure.self) { try Folder.makeAll(scratch.appending("file")) }
      #expect(failure?.reason == .fileExists)
    }
  }

  /// The kernel would wait for a writer for ever.
  @Test(.timeLimit(.minutes(1))) func cancellationEndsWhateverIsReadOrCopied() async throws {
    try await withScratchDirectory { scratch in
      let (fifo, file) = (scratch.appending("fifo"), scratch.appending("file"))
      #expect(mkfifo(fifo.string, 0o600) == 0)
      try WholeFile.write([1], to: file)
      let reading = Task { try await onThread { try InputFile.read(fifo.string, "the file", limit: 10) } }
      try await Task.sleep(for: .milliseconds(50))
      reading.cancel()
      await #expect(throws: CancellationError.self) { try await reading.value }
      await #expect(throws: CancellationError.self) {
        try await whenCancelled { _ = try WholeFile.read(file) }
      }
      await #expect(throws: CancellationError.self) {
        try await whenCancelled { try WholeFile.copy(file, to: scratch.appending("copy")) }
      }
    }
  }
}

internal import Command
internal import Glibc
internal import SystemPackage
internal import TestSupport
internal import Testing

@testable internal import Basics

@Suite struct TreeRemoverTests {
  /// Runs code as nobody, on a thread of its own: the rights on files are a thread's.
  private func asNobody(_ body: @escaping @Sendable () throws -> Void) async throws {
    // Hidden from Swift, which sees glibc without _GNU_SOURCE.
    let address = try #require(dlsym(nil, "setfsuid"))
    let number = UInt(bitPattern: address)
    try await onThread {
      typealias SetUser = @convention(c) (UInt32) -> Int32
      guard let address = UnsafeMutableRawPointer(bitPattern: number) else { return }
      _ = unsafeBitCast(address, to: SetUser.self)(65534)
      try body()
    }
  }

  @Test func anOrdinaryUserRemovesFoldersWithoutAnyPermission() async throws {
    try await withScratchDirectory { scratch in
      let tree = scratch.appending("tree")
      try await SubprocessRunner().run(
        "sh", "-c",
        """
        mkdir -p "$1/a/b/c" "$1/d/e" && echo x >"$1/a/b/c/file" && echo x >"$1/d/e/file" && ln -s /etc "$1/a/link"
        chmod -R a-w "$1/a" && chmod 0 "$1/d/e" "$1/d" && chown -Rh nobody "$1" && chown nobody "$2" && chmod 555 "$1"
        """, "sh", tree.string, scratch.string)
      try await asNobody { try TreeRemover.remove(tree) }
      #expect(access(tree.string, F_OK) != 0)
      #expect(access("/etc/passwd", F_OK) == 0)
    }
  }

  @Test func depthNeedsNeitherDescriptorsNorStack() async throws {
    try await withScratchDirectory { scratch in
      let tree = scratch.appending("tree")
      // Deeper than any path can be, and than a process may have files open.
      try await SubprocessRunner().run(
        "python3", "-c",
        """
        import os, sys
        os.mkdir(sys.argv[1]); os.chdir(sys.argv[1])
        for n in range(3000):
            open("file", "w").close(); os.mkdir("a folder with a name"); os.chdir("a folder with a name")
        """, tree.string)
      try TreeRemover.remove(tree)
      #expect(access(tree.string, F_OK) != 0)
    }
  }

  @Test func namesAreBytesAndLinksAreNotFollowed() async throws {
    try await withScratchDirectory { scratch in
      try await SubprocessRunner().run(
        "sh", "-c",
        """
        cd "$1" && mkdir -p tree/in outside && echo kept >outside/file
        printf x >"tree/in/$(printf 'a\\377b')" && mkdir "tree/$(printf '\\377')" && ln -s ../outside tree/link
        ln -s outside link
        """, "sh", scratch.string)
      try TreeRemover.remove(scratch.appending("tree"))
      try TreeRemover.remove(scratch.appending("link"))
      #expect(access(scratch.appending("tree").string, F_OK) != 0)
      #expect(access(scratch.appending("link").string, F_OK) != 0)
      #expect(access(scratch.appending("outside/file").string, F_OK) == 0)
    }
  }

  @Test func whatIsNotThereIsRemovedAlreadyAndTheRootIsNeverRemoved() throws {
    try TreeRemover.remove("/nowhere/at/all")
    #expect(throws: PathFailure.self) { try TreeRemover.remove("/") }
    #expect(throws: PathFailure.self) { try TreeRemover.remove("..") }
  }

  @Test(.enabled(if: geteuid() == 0)) func anotherMountIsNotEntered() async throws {
    try await withScratchDirectory { scratch in
      let runner = SubprocessRunner()
      try await runner.run(
        "sh", "-c",
        "cd \"$1\" && mkdir -p tree/mounted other && echo kept >other/file && mount --bind other tree/mounted",
        "sh", scratch.string)
      let failure = #expect(throws: PathFailure.self) { try TreeRemover.remove(scratch.appending("tree")) }
      #expect(failure?.description.contains("could not remove") == true)
      try await runner.run("umount", scratch.appending("tree/mounted").string)
      #expect(access(scratch.appending("other/file").string, F_OK) == 0)
      try TreeRemover.remove(scratch.appending("tree"))
    }
  }
}

@Suite struct ClaimedFolderTests {
  @Test func onlyWhatNobodyHoldsIsAbandoned() async throws {
    try await withScratchDirectory { scratch in
      func path(_ prefix: String) -> FilePath { scratch.appending(ClaimedFolder.uniqueName(prefix)) }
      let held = try ClaimedFolder.make(at: path("ours-"), mode: 0o700)
      let left = try ClaimedFolder.make(at: path("ours-"), mode: 0o700)
      let other = try ClaimedFolder.make(at: path("other-"), mode: 0o700)
      defer { held.release() }
      left.release()
      other.release()
      ClaimedFolder.removeAbandoned(in: scratch) { ClaimedFolder.isUniqueName($0, prefix: "ours-") }
      #expect(access(held.path.string, F_OK) == 0)
      #expect(access(left.path.string, F_OK) != 0)
      #expect(access(other.path.string, F_OK) == 0)
    }
  }

  @Test(arguments: [
    ("x-0123456789abcdef", true), ("x-0123456789abcde", false), ("x-0123456789abcdeg", false),
    ("y-0123456789abcdef", false), ("x-", false),
  ])
  func onlyNamesOfItsOwnKindAreKnown(name: String, isOurs: Bool) {
    #expect(ClaimedFolder.isUniqueName(name, prefix: "x-") == isOurs)
  }
}

@Suite struct CancellationTests {
  @Test func aThreadLearnsThatItsTaskWasCancelled() async throws {
    let task = Task {
      try await onThread {
        while true {
          try Cancellation.check()
          usleep(1000)
        }
      }
    }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
  }
}

import Basics
import Command
import Foundation
import SystemPackage
import TestSupport
import Testing

@testable import ImageBuilder

@Suite struct OutputFolderTests {
  private struct Failure: Error {}

  @Test func aFinishedFolderIsPutInPlace() async throws {
    try await withScratchDirectory { scratch in
      let out = scratch.appending("out")
      try await OutputFolder.with(out.string, force: false) { folder in
        #expect(!HostFiles.exists(out))
        try HostFiles.write(Array("x".utf8), to: folder.work.appending("file"))
      }
      #expect(try contents(of: scratch) == ["out"])
      #expect(try contents(of: out) == ["file"])
    }
  }

  @Test func aFailureLeavesNothing() async throws {
    try await withScratchDirectory { scratch in
      await #expect(throws: Failure.self) {
        try await OutputFolder.with(scratch.appending("out").string, force: false) { folder in
          try HostFiles.write(Array("x".utf8), to: folder.work.appending("file"))
          throw Failure()
        }
      }
      let left = try contents(of: scratch)
      #expect(left.isEmpty)
    }
  }

  @Test func anExistingFolderIsKeptWithoutForce() async throws {
    try await withScratchDirectory { scratch in
      try HostFiles.makeDirectory(scratch.appending("out"))
      let error = await #expect(throws: Fault.self) {
        try await OutputFolder.with(scratch.appending("out").string, force: false) { _ in }
      }
      #expect(error?.kind == .badInput)
      #expect(try contents(of: scratch) == ["out"])
    }
  }

  /// Makes a folder as a build leaves it.
  private func makeOutput(_ out: FilePath, files: [String] = ["old"]) throws {
    try HostFiles.makeDirectory(out)
    for file in files { try HostFiles.write(Array(file.utf8), to: out.appending(file)) }
    let entries = files.map { #"{"path": "\#($0)", "size": 3, "sha256": ""}"# }.joined(separator: ",")
    try HostFiles.write(
      Array(#"{"version": 2, "system": "/nix/store/x", "files": [\#(entries)]}"#.utf8),
      to: out.appending("manifest.json"))
  }

  @Test func forceReplacesOnlyWhenTheBuildSucceeds() async throws {
    try await withScratchDirectory { scratch in
      let out = scratch.appending("out")
      try makeOutput(out)
      await #expect(throws: Failure.self) {
        try await OutputFolder.with(out.string, force: true) { _ in throw Failure() }
      }
      #expect(try contents(of: out) == ["manifest.json", "old"])
      try await OutputFolder.with(out.string, force: true) { folder in
        try HostFiles.write(Array("new".utf8), to: folder.work.appending("new"))
      }
      #expect(try contents(of: out) == ["new"])
      #expect(try contents(of: scratch) == ["out"])
    }
  }

  /// A way to make what `--force` must not replace, and what is said of it.
  @Test(arguments: [
    ("mkdir out", "manifest.json"), ("mkdir out; echo {} >out/manifest.json", "manifest.json"),
    ("mkdir out; ln -s /dev/null out/manifest.json", "manifest.json"), ("echo text >out", "not a folder"),
    ("ln -s elsewhere out; mkdir elsewhere", "not a folder"), ("mkfifo out", "not a folder"),
    ("mkdir out; mount -t tmpfs tmpfs out", "mount point"),
  ])
  func forceReplacesNothingThatNoBuildHasMade(making: String, reason: String) async throws {
    try await withScratchDirectory { scratch in
      let runner = SubprocessRunner()
      try await runner.run("sh", "-c", "cd \"$1\"; \(making)", "sh", scratch.string)
      let before = try contents(of: scratch)
      let error = await #expect(throws: Fault.self) {
        try await OutputFolder.with(scratch.appending("out").string, force: true) { _ in }
      }
      #expect(error?.kind == .badInput)
      #expect(error?.message.contains(reason) == true, "\(error?.message ?? "")")
      if making.contains("mount") { try await runner.run("umount", scratch.appending("out").string) }
      #expect(try contents(of: scratch) == before)
    }
  }

  @Test func forceReplacesNoFolderToWhichSomethingWasAdded() async throws {
    try await withScratchDirectory { scratch in
      let out = scratch.appending("out")
      try makeOutput(out)
      try HostFiles.write(Array("mine".utf8), to: out.appending("notes.txt"))
      let error = await #expect(throws: Fault.self) {
        try await OutputFolder.with(out.string, force: true) { _ in }
      }
      #expect(error?.message.contains("notes.txt") == true)
      #expect(try contents(of: out) == ["manifest.json", "notes.txt", "old"])
    }
  }

  @Test func theCurrentFolderAndWhatIsAboveItAreNotReplaced() async throws {
    for out in [".", "/", FilePath(FileManager.default.currentDirectoryPath).removingLastComponent().string] {
      let error = await #expect(throws: Fault.self) {
        try await OutputFolder.with(out, force: true) { _ in }
      }
      #expect(error?.kind == .badInput)
    }
  }

  @Test func whatAKilledMachineLeftBesideItIsRemoved() async throws {
    try await withScratchDirectory { scratch in
      let left = scratch.appending(".slipway-0123456789abcdef")
      let held = try ClaimedFolder.make(at: scratch.appending(".slipway-fedcba9876543210"), mode: 0o700)
      defer { held.release() }
      let other = scratch.appending(".slipway-notes")
      for folder in [left, other] { try HostFiles.makeDirectory(folder) }
      try await OutputFolder.with(scratch.appending("out").string, force: false) { _ in }
      #expect(try contents(of: scratch) == [".slipway-fedcba9876543210", ".slipway-notes", "out"])
    }
  }

  @Test func aFolderWithoutWritePermissionIsRemovedToo() async throws {
    try await withScratchDirectory { scratch in
      await #expect(throws: Failure.self) {
        try await OutputFolder.with(scratch.appending("out").string, force: false) { folder in
          let inner = folder.work.appending("inner")
          try HostFiles.makeDirectory(inner)
          try HostFiles.write([], to: inner.appending("file"))
          chmod(inner.string, 0o555)
          throw Failure()
        }
      }
      let left = try contents(of: scratch)
      #expect(left.isEmpty)
    }
  }

  @Test(.enabled(if: geteuid() == 0)) func aFullFilesystemIsNamed() async throws {
    try await withScratchDirectory { scratch in
      let small = scratch.appending("small")
      try HostFiles.makeDirectory(small)
      let runner = SubprocessRunner()
      try await runner.run("mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "tmpfs", small.string)
      do {
        let error = #expect(throws: Fault.self) {
          try HostFiles.write([UInt8](repeating: 1, count: 1 << 20), to: small.appending("file"))
        }
        #expect(error?.kind == .failed)
        #expect(error?.message.contains("\(small)") == true)
        #expect(error?.message.contains("is full") == true)
        #expect(error?.message.contains("1024 KiB needed") == true)
        // What failed in other words has the same cause.
        let told = HostSpace.explained(Fault(.failed, "the guest did not answer"), in: small)
        #expect(told.message.contains("is full"))
        #expect(told.evidence == ["the guest did not answer"])
        let command = HostCommand(attempt: "convert", place: small.appending("x"), package: "p")
        let failed = await #expect(throws: Fault.self) {
          try await command.run {
            try await runner.run("sh", "-c", "cat /dev/zero > \"$1\"", "sh", "\(small)/x")
          }
        }
        #expect(failed?.message.contains("is full") == true)
      }
      try await runner.run("umount", small.string)
    }
  }

  @Test func aMissingParentIsBadInput() async throws {
    let error = await #expect(throws: Fault.self) {
      try await OutputFolder.with("/nowhere/at/all", force: false) { _ in }
    }
    #expect(error?.kind == .badInput)
  }

  private func contents(of folder: FilePath) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.string).sorted()
  }
}

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
        #expect(!FileSystem.exists(out))
        try FileSystem.write(Array("x".utf8), to: folder.work.appending("file"))
      }
      #expect(try contents(of: scratch) == ["out"])
      #expect(try contents(of: out) == ["file"])
    }
  }

  @Test func aFailureLeavesNothing() async throws {
    try await withScratchDirectory { scratch in
      await #expect(throws: Failure.self) {
        try await OutputFolder.with(scratch.appending("out").string, force: false) { folder in
          try FileSystem.write(Array("x".utf8), to: folder.work.appending("file"))
          throw Failure()
        }
      }
      let left = try contents(of: scratch)
      #expect(left.isEmpty)
    }
  }

  @Test func anExistingFolderIsKeptWithoutForce() async throws {
    try await withScratchDirectory { scratch in
      try FileSystem.makeDirectory(scratch.appending("out"))
      let error = await #expect(throws: BuildError.self) {
        try await OutputFolder.with(scratch.appending("out").string, force: false) { _ in }
      }
      #expect(error?.kind == .badInput)
      #expect(try contents(of: scratch) == ["out"])
    }
  }

  @Test func forceReplacesOnlyWhenTheBuildSucceeds() async throws {
    try await withScratchDirectory { scratch in
      let out = scratch.appending("out")
      try FileSystem.makeDirectory(out)
      try FileSystem.write(Array("old".utf8), to: out.appending("old"))
      await #expect(throws: Failure.self) {
        try await OutputFolder.with(out.string, force: true) { _ in throw Failure() }
      }
      #expect(try contents(of: out) == ["old"])
      try await OutputFolder.with(out.string, force: true) { folder in
        try FileSystem.write(Array("new".utf8), to: folder.work.appending("new"))
      }
      #expect(try contents(of: out) == ["new"])
      #expect(try contents(of: scratch) == ["out"])
    }
  }

  @Test func aMissingParentIsBadInput() async throws {
    let error = await #expect(throws: BuildError.self) {
      try await OutputFolder.with("/nowhere/at/all", force: false) { _ in }
    }
    #expect(error?.kind == .badInput)
  }

  private func contents(of folder: FilePath) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.string).sorted()
  }
}

import Basics
import EFIVariables
import SystemPackage
import TestSupport
import Testing

@testable import ImageBuilder

@Suite struct VariableStoreFileTests {
  private static let template: FilePath = "/usr/share/OVMF/OVMF_VARS_4M.fd"

  private func names(in folder: FilePath) throws -> [String] {
    try Folder.names(in: folder).map { String(decoding: $0, as: UTF8.self) }
  }

  /// While an edit writes there is no file by any name but the store's, so that nothing is left by a kill.
  @Test func anEditLeavesTheStoreAloneAndWhatAKilledOneLeftIsRemoved() async throws {
    try await withScratchDirectory { scratch in
      let store = scratch.appending("vars.fd")
      try HostFiles.write(try HostFiles.read(Self.template), to: store, mode: 0o640)
      try HostFiles.write([1], to: scratch.appending(".vars.fd.slipway-new"))
      let file = VariableStoreFile(store.string)
      try file.set(.hexadecimal("0500"), attributes: nil, into: nil) { _ in .bootNext }
      #expect(try names(in: scratch) == ["vars.fd"])
      #expect(try FileStatus(of: store).permissions == 0o640)
      #expect(try file.read()[.bootNext]?.data == [5, 0])

      let out = scratch.appending("other.fd").string
      try file.set(.hexadecimal("0600"), attributes: nil, into: out) { _ in .bootNext }
      #expect(try names(in: scratch) == ["other.fd", "vars.fd"])
      #expect(try VariableStoreFile(out).read()[.bootNext]?.data == [6, 0])
      #expect(try FileStatus(of: FilePath(out)).permissions & 0o137 == 0)
    }
  }
}

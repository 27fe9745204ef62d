internal import Basics
import Command
import EFIVariables
import SystemPackage
import TestSupport
import Testing

@testable import ImageBuilder

@Suite("Flash images in qcow2")
struct FlashImageTests {
  private static let template: FilePath = "/usr/share/OVMF/OVMF_VARS_4M.fd"

  private func converted(in scratch: FilePath) async throws -> FilePath {
    let file = scratch.appending("VARS.qcow2")
    try await SubprocessRunner().run(
      "qemu-img", "convert", "-f", "raw", "-O", "qcow2", Self.template.string, file.string)
    return file
  }

  @Test("They are read by conversion; nothing is left of it")
  func read() async throws {
    try await withScratchDirectory { scratch in
      let file = try await converted(in: scratch)
      #expect(try await flashBytes(file) == HostFiles.read(Self.template))
      #expect(try await flashBytes(Self.template) == HostFiles.read(Self.template))
    }
  }

  @Test("As the store of a command they are refused by their format, with what converts them")
  func store() async throws {
    try await withScratchDirectory { scratch in
      let file = try await converted(in: scratch)
      let error = try #require(throws: Fault.self) { try VariableStoreFile(file.string).read() }
      #expect(error.message.contains("qcow2"))
      #expect(error.remedy?.contains("qemu-img convert") == true)
    }
  }

  @Test("One that is damaged is named, with what was attempted")
  func damaged() async throws {
    try await withScratchDirectory { scratch in
      let file = try await converted(in: scratch)
      var bytes = try HostFiles.read(file)
      bytes[23] = 0xff  // the size of a cluster
      try HostFiles.write(bytes, to: file)
      let error = try await #require(throws: Fault.self) { _ = try await flashBytes(file) }
      #expect(error.kind == .badInput)
      #expect(error.message.contains("VARS.qcow2") && error.message.contains("converted"))
    }
  }
}

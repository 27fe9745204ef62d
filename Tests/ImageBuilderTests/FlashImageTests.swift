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

  private func converted(in scratch: FilePath, options: [String] = []) async throws -> FilePath {
    let file = scratch.appending("VARS.qcow2")
    try await SubprocessRunner().run(
      Command(
        "qemu-img",
        ["convert", "-f", "raw", "-O", "qcow2"] + options + [Self.template.string, file.string]))
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

  @Test("As the store of a command they are read, and edited in their format with all else that they hold")
  func store() async throws {
    try await withScratchDirectory { scratch in
      let file = try await converted(in: scratch, options: ["-o", "cluster_size=4096,compat=0.10"])
      try await SubprocessRunner().run("qemu-img", "snapshot", "-c", "before", file.string)
      let store = VariableStoreFile(file.string)
      let template = try VariableStore(reading: HostFiles.read(Self.template))
      #expect(try await store.read() == template)
      let before = try HostFiles.read(file)

      let copy = scratch.appending("copy.qcow2")
      try await store.set(.hexadecimal("0500"), attributes: nil, into: copy.string) { _ in .bootNext }
      #expect(try HostFiles.read(file) == before)
      try await store.set(.hexadecimal("0500"), attributes: nil, into: nil) { _ in .bootNext }
      for file in [file, copy] {
        #expect(try await VariableStoreFile(file.string).read()[.bootNext]?.data == [5, 0])
        let facts = try await SubprocessRunner().run("qemu-img", "info", file.string)
        for fact in ["file format: qcow2", "cluster_size: 4096", "compat: 0.10", "before"] {
          #expect(facts.contains(fact), "\(facts)")
        }
        try await SubprocessRunner().run("qemu-img", "check", "-q", file.string)
      }
      try await SubprocessRunner().run("qemu-img", "snapshot", "-a", "before", file.string)
      #expect(try await store.read() == template)
    }
  }

  @Test("A refused edit leaves one as it was, and one that needs other files is neither read nor edited")
  func refusedEdits() async throws {
    try await withScratchDirectory { scratch in
      let file = try await converted(in: scratch)
      let before = try HostFiles.read(file)
      let large = Variable(.bootNext, .standard, Array(repeating: 1, count: 1 << 20))
      await #expect(throws: Fault.self) {
        try await VariableStoreFile(file.string).edit(into: nil) { try $0.set(large) }
      }
      #expect(try HostFiles.read(file) == before)

      let overlay = scratch.appending("overlay.qcow2")
      try await SubprocessRunner().run(
        "qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", file.string, overlay.string)
      let store = VariableStoreFile(overlay.string)
      let error = try await #require(throws: Fault.self) { try await store.edit(into: nil) { _ in } }
      #expect(error.kind == .badInput)
      #expect(error.message.contains("backing file") && error.remedy?.contains("qemu-img convert") == true)
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

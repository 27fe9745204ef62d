import Basics
import CLinux
import EFIVariables
import Glibc
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
      try await file.set(.hexadecimal("0500"), attributes: nil, into: nil) { _ in .bootNext }
      #expect(try names(in: scratch) == ["vars.fd"])
      #expect(try FileStatus(of: store).permissions == 0o640)
      #expect(try await file.read()[.bootNext]?.data == [5, 0])

      let out = scratch.appending("other.fd").string
      try await file.set(.hexadecimal("0600"), attributes: nil, into: out) { _ in .bootNext }
      #expect(try names(in: scratch) == ["other.fd", "vars.fd"])
      #expect(try await VariableStoreFile(out).read()[.bootNext]?.data == [6, 0])
      #expect(try FileStatus(of: FilePath(out)).permissions & 0o137 == 0)
    }
  }

  /// A copy of the template in a folder of its own.
  private func withStore(_ body: (FilePath, [UInt8]) async throws -> Void) async throws {
    try await withScratchDirectory { scratch in
      let store = scratch.appending("vars.fd")
      let bytes = try HostFiles.read(Self.template)
      try HostFiles.write(bytes, to: store)
      try await body(store, bytes)
    }
  }

  /// A comparison in the expectation itself would print half a MiB.
  private func isSame(_ store: FilePath, _ bytes: [UInt8]) throws -> Bool {
    try HostFiles.read(store) == bytes
  }

  private func refusal(_ body: () async throws -> Void) async -> Fault? {
    let fault = await #expect(throws: Fault.self) { try await body() }
    #expect(fault?.kind == .badInput)
    return fault
  }

  @Test func aRefusedEditChangesNothing() async throws {
    try await withStore { (store, bytes) async throws in
      let file = VariableStoreFile(store.string)
      // Data that the store has no room for, and none, which firmware takes for a deletion.
      for data in [[UInt8](repeating: 1, count: 1 << 20), []] {
        let fault = await refusal {
          try await file.edit(into: nil) { try $0.set(Variable(.bootNext, .standard, data)) }
        }
        #expect(fault?.message.isEmpty == false)
      }
      #expect(try isSame(store, bytes))
      #expect(try names(in: store.removingLastComponent()) == ["vars.fd"])
    }
  }

  /// QEMU has a lock on one byte for each thing that it does with an image.
  @Test func aStoreThatAMachineUsesIsNotEdited() async throws {
    try await withStore { (store, bytes) async throws in
      let machine = open(store.string, O_RDWR)
      defer { close(machine) }
      var lock = flock()
      lock.l_type = Int16(F_RDLCK)
      lock.l_whence = Int16(SEEK_SET)
      lock.l_start = 201
      lock.l_len = 1
      #expect(fcntl(machine, slipway_F_OFD_SETLK, &lock) == 0)
      let file = VariableStoreFile(store.string)
      let out = store.removingLastComponent().appending("other.fd").string
      for place in [nil, out] {
        let fault = await refusal { _ = try await file.edit(into: place) { $0.delete(.bootNext) } }
        #expect(fault?.message == "\(store) is in use by a running virtual machine")
        #expect(fault?.remedy == "Shut the machine down first")
      }
      #expect(try isSame(store, bytes))
      // What a machine reads is no edit.
      await #expect(throws: Never.self) { try await file.read() }
      lock.l_type = Int16(F_UNLCK)
      #expect(fcntl(machine, slipway_F_OFD_SETLK, &lock) == 0)
      await #expect(throws: Never.self) { _ = try await file.edit(into: nil) { $0.delete(.bootNext) } }
    }
  }

  @Test func anEditThroughALinkReplacesTheFileAndNotTheLink() async throws {
    try await withStore { (store, _) async throws in
      let link = store.removingLastComponent().appending("link.fd")
      try Folder.link(link, to: "vars.fd")
      try await VariableStoreFile(link.string).set(.hexadecimal("0500"), attributes: nil, into: nil) { _ in
        .bootNext
      }
      #expect(try FileStatus(of: link, followingLinks: false).kind == .link)
      #expect(try await VariableStoreFile(store.string).read()[.bootNext]?.data == [5, 0])
    }
  }

  @Test func noFileIsReplacedByANewStore() async throws {
    try await withStore { (store, bytes) async throws in
      let fault = await refusal {
        try await VariableStoreFile(store.string).edit(into: store.string) { _ in }
      }
      #expect(fault?.message == "\(store) exists")
      #expect(try isSame(store, bytes))
    }
  }

  @Test func whatIsNoStoreIsNamedWithTheReason() async throws {
    try await withStore { (store, bytes) async throws in
      let folder = store.removingLastComponent()
      func message(_ path: FilePath) async -> String? {
        await refusal { _ = try await VariableStoreFile(path.string).read() }?.message
      }
      #expect(await message(folder) == "\(folder) is not a regular file that can be read")
      #expect(await message("/nowhere/vars.fd") == "/nowhere/vars.fd is not a regular file that can be read")
      let large = folder.appending("large.fd")
      try HostFiles.makeSparseFile(large, bytes: 256 << 20 + 1)
      #expect(await message(large) == "\(large) is larger than any variable store")
      try HostFiles.write(Array(bytes.dropLast(1 << 18)), to: store)
      #expect(await message(store)?.hasPrefix("\(store) is not an intact variable store: ") == true)
    }
  }
}

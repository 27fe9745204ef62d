import Basics
import EFIVariables
import ImageModel
import SystemPackage
import TestSupport
import Testing

@testable import BuildPlan
@testable import ImageBuilder

/// The variable store that a build exports, from what a firmware left of its template.
@Suite struct SealedVariablesTests {
  private static let template = "/usr/share/OVMF/OVMF_VARS_4M.fd"
  private static let bootOrder = Variable(.bootOrder, .standard, [1, 0])

  /// A store that a firmware has worked on: the template, changed.
  private func work(
    in scratch: FilePath, raw: [UInt8]? = nil, _ change: (inout VariableStore) throws -> Void = { _ in }
  ) throws -> WorkVariables {
    let template = try HostFiles.read(FilePath(Self.template))
    var store = try VariableStore(reading: template)
    try change(&store)
    let file = scratch.appending("efi-vars.fd")
    try HostFiles.write(raw ?? store.serialized(), to: file)
    return WorkVariables(
      firmware: FirmwarePair(
        code: "/f/CODE.fd", variablesTemplate: Self.template, requiresSMM: false, secureBoot: false),
      template: template, file: file)
  }

  private func outputs(_ form: VariablesForm = .canonical, strip: Bool = false) -> OutputPlan {
    OutputPlan(
      images: [], efiVariables: "efi-vars.fd", efiVarsForm: form, stripFirmwareVariables: strip)
  }

  private func fault(_ work: WorkVariables) -> Fault? {
    #expect(throws: Fault.self) { try SealedVariables(sealing: work, for: outputs(), enrolling: nil) }
  }

  @Test func aFirmwareThatKeptNothingIsNoStore() async throws {
    try await withScratchDirectory { scratch in
      let fault = fault(try work(in: scratch, raw: HostFiles.read(FilePath(Self.template))))
      #expect(fault?.kind == .failed)
      #expect(fault?.message == "the firmware /f/CODE.fd wrote nothing into its variable store")
      #expect(fault?.remedy?.contains(Self.template) == true)
    }
  }

  @Test func aDamagedStoreIsSaidToBeDamagedByTheInstallation() async throws {
    try await withScratchDirectory { scratch in
      var bytes = try HostFiles.read(FilePath(Self.template))
      let zeroed = [UInt8](repeating: 0, count: bytes.count)
      // The least byte of the volume's length: the store is read, and is another than the template.
      bytes[0x10] ^= 1
      for bytes in [zeroed, bytes, Array(bytes.prefix(1 << 17)), []] {
        let fault = fault(try work(in: scratch, raw: bytes))
        #expect(fault?.kind == .failed)
        #expect(
          fault?.message.hasPrefix("the variable store is damaged after the installation: ") == true)
      }
    }
  }

  @Test func theCanonicalFormIsWrittenAndTheRawOneIsLeftAsItIs() async throws {
    try await withScratchDirectory { scratch in
      // Not in the order of the canonical form.
      let work = try work(in: scratch) { store in
        try store.set(Variable(#require(VariableKey(.globalVariable, "Timeout")), .standard, [3, 0]))
        try store.set(Self.bootOrder)
      }
      let written = try HostFiles.read(work.file)
      let raw = try SealedVariables(sealing: work, for: outputs(.raw), enrolling: nil)
      let isLeft = try HostFiles.read(work.file) == written
      #expect(isLeft)
      let canonical = try SealedVariables(sealing: work, for: outputs(), enrolling: nil)
      let bytes = try HostFiles.read(work.file)
      let isCanonical = try bytes == VariableStore(reading: written).canonical().serialized()
      let isOther = bytes != written
      #expect(isCanonical && isOther)
      #expect(try VariableStore(reading: bytes) == canonical.store)
      #expect(raw.store[.bootOrder]?.data == [1, 0] && canonical.store[.bootOrder]?.data == [1, 0])
    }
  }

  @Test func whatTheFirmwareMakesAgainIsLeftOutOnRequest() async throws {
    try await withScratchDirectory { scratch in
      let timeout = try #require(VariableKey(.globalVariable, "Timeout"))
      let work = try work(in: scratch) { store in
        try store.set(Variable(timeout, .standard, [3, 0]))
        try store.set(Variable(.bootNext, .standard, [7, 0]))
      }
      let kept = try SealedVariables(sealing: work, for: outputs(), enrolling: nil)
      #expect(kept.store[timeout] != nil)
      let stripped = try SealedVariables(sealing: work, for: outputs(strip: true), enrolling: nil)
      #expect(stripped.store[timeout] == nil && stripped.store[.bootNext] != nil)
      #expect(try VariableStore(reading: HostFiles.read(work.file))[timeout] == nil)
    }
  }

  @Test func changesAreToldWithWhoseTheyAre() async throws {
    try await withScratchDirectory { scratch in
      let timeout = try #require(VariableKey(.globalVariable, "Timeout"))
      let work = try work(in: scratch) { store in
        try store.set(Variable(timeout, .standard, [3, 0]))
        try store.set(Variable(.bootNext, .standard, [7, 0]))
      }
      let changes = try SealedVariables(sealing: work, for: outputs(), enrolling: nil).changes
      let global = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
      let next = try #require(changes.first { $0.variable == "BootNext-\(global)" })
      #expect(next.kind == .added && next.value == "0007" && !next.isFirmwareOwned)
      let other = try #require(changes.first { $0.variable == "Timeout-\(global)" })
      #expect(other.kind == .added && other.isFirmwareOwned)
      #expect(changes.count == 2)
    }
  }

  @Test func aChangedAndARemovedVariableHaveTheirOldValues() async throws {
    try await withScratchDirectory { scratch in
      var work = try work(in: scratch) { try $0.set(Variable(.bootNext, .standard, [7, 0])) }
      let before = work
      var later = try VariableStore(reading: HostFiles.read(work.file))
      try later.set(Variable(.bootNext, .standard, [8, 0]))
      try HostFiles.write(later.serialized(), to: work.file)
      work = WorkVariables(
        firmware: before.firmware, template: try VariableStore(reading: before.template).with(7),
        file: work.file)
      let changed = try SealedVariables(sealing: work, for: outputs(), enrolling: nil).changes
      #expect(changed.map(\.kind) == [.changed])
      #expect(changed.first.map { $0.value.contains("0007") && $0.value.contains("0008") } == true)
      later.delete(.bootNext)
      try HostFiles.write(later.serialized(), to: work.file)
      let removed = try SealedVariables(sealing: work, for: outputs(), enrolling: nil).changes
      #expect(removed.map(\.kind) == [.removed] && removed.first?.value == "0007")
    }
  }
}

extension VariableStore {
  /// The bytes of the store with a `BootNext`.
  fileprivate func with(_ number: UInt8) throws -> [UInt8] {
    var store = self
    try store.set(Variable(.bootNext, .standard, [number, 0]))
    return try store.serialized()
  }
}

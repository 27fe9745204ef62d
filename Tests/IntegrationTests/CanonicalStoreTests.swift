import Command
import EFIVariables
import Foundation
import ImageModel
import SystemPackage
import TestSupport
import Testing

/// A store in canonical form in the hands of its firmware.
@Suite("Canonical stores")
struct CanonicalStoreTests {
  @Test("OVMF takes a canonical store, and keeps each variable", .virtualMachines, .timeLimit(.minutes(4)))
  func ovmfKeepsVariables() async throws {
    try await withScratchDirectory { scratch in
      let file = scratch.appending("vars.fd")
      let url = URL(fileURLWithPath: file.string)
      let template = try Data(contentsOf: URL(fileURLWithPath: "/usr/share/OVMF/OVMF_VARS_4M.snakeoil.fd"))
      let store = try Self.withOurs(VariableStore(reading: Array(template))).canonical()
      let before = try store.serialized()
      try Data(before).write(to: url)

      try await Self.boot(file) {
        // The firmware raises the counter early, and writes its boot options last.
        guard let now = try? VariableStore(reading: Array(Data(contentsOf: url))) else { return false }
        return now[.monotonicCounter] != store[.monotonicCounter]
          && now[.bootOrder] != store[.bootOrder]
      }

      let after = try VariableStore(reading: Array(Data(contentsOf: url)))
      let difference = StoreDifference(from: store, to: after)
      #expect(difference.removed.allSatisfy { $0.key.isRemadeByFirmware || $0.key.bootNumber != nil })
      for key in try Self.ours().map(\.key) where key != .bootOrder { #expect(after[key] == store[key]) }
      for key in [.platformKey, .keyExchangeKeys, .signatures, .forbiddenSignatures] as [VariableKey] {
        #expect(after[key] == store[key] && after[key] != nil)
      }
      guard let order = after[.bootOrder], case .order(let numbers) = try VariableValue(of: order) else {
        Issue.record("there is no BootOrder")
        return
      }
      #expect(numbers.contains(0x42))
    }
  }

  private static func ours() throws -> [Variable] {
    let drive = DevicePathNode.HardDrive(
      partition: 1, start: 2048, size: 4096, signature: .gpt(GUID(high: 0x1234, low: 0x5678)))
    let option = LoadOption("Ours", [DevicePath([.hardDrive(drive), .file(#"\EFI\OURS.EFI"#)])])
    let large = try #require(VariableKey(GUID(high: 0x9abc, low: 0xdef0), "Large"))
    return [
      Variable(.boot(0x42), .standard, VariableValue.loadOption(option).data),
      Variable(.bootOrder, .standard, VariableValue.order([0x42]).data),
      Variable(.loaderEntryDefault, .standard, VariableValue.text("ours.conf").data),
      Variable(large, .standard, Array(repeating: 0x5a, count: 20_000)),
    ]
  }

  private static func withOurs(_ store: VariableStore) throws -> VariableStore {
    var store = store
    for variable in try ours() { try store.set(variable) }
    return store
  }

  /// Runs a machine without a disk until a condition holds and the store has not changed for a second.
  private static func boot(_ store: FilePath, until isDone: @escaping @Sendable () -> Bool) async throws {
    try await withThrowingTaskGroup { group in
      group.addTask { try await machine(store) }
      defer { group.cancelAll() }
      let url = URL(fileURLWithPath: store.string)
      while true {
        let bytes = try Data(contentsOf: url)
        try await Task.sleep(for: .seconds(1))
        if isDone(), try Data(contentsOf: url) == bytes { return }
      }
    }
  }

  private static func machine(_ store: FilePath) async throws {
    do {
      try await SubprocessRunner().run(
        "qemu-system-x86_64", "-machine", "q35,smm=on", "-m", "256", "-display", "none", "-net", "none",
        "-global", "driver=cfi.pflash01,property=secure,value=on", "-drive",
        "if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.secboot.fd", "-drive",
        "if=pflash,format=raw,file=\(store)")
    } catch is CancellationError {
      // Its end is ours to say.
    }
  }
}

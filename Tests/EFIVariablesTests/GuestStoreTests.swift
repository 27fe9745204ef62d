import EFIVariables
import Foundation
import ImageModel
import TestSupport
import Testing

private let folder = ProcessInfo.processInfo.environment["SLIPWAY_EFI_STORES"]

/// Stores that real machines left behind; they are too large to be kept with the sources.
@Suite("Stores of guests", .enabled(if: folder != nil, "set SLIPWAY_EFI_STORES to a folder of stores"))
struct GuestStoreTests {
  static var files: [String] {
    let names = folder.flatMap { try? FileManager.default.contentsOfDirectory(atPath: $0) } ?? []
    return names.filter { $0.hasSuffix(".fd") }.sorted()
  }

  @Test("Each reads as virt-fw-vars reads it, and its canonical form too", arguments: files)
  func guest(name: String) async throws {
    let file = URL(fileURLWithPath: "\(folder ?? "")/\(name)")
    let bytes = try Array(Data(contentsOf: file))
    let store = try VariableStore(reading: bytes)
    let canonical = store.canonical()
    let written = try canonical.serialized()
    #expect(try VariableStore(reading: written).canonical().serialized() == written)
    // virt-firmware keeps one of the variables that share a name, whatever their vendors.
    let names = Dictionary(grouping: store.variables) { $0.key.name }
    let shared = Set(names.filter { $0.value.count > 1 }.keys.map(\.description))
    try await withScratchDirectory { scratch in
      let tool = VirtFirmware(scratch: scratch)
      let theirs = try await tool.list(bytes).filter { !shared.contains($0.name) }
      #expect(VirtFirmware.listed(store).filter { !shared.contains($0.name) } == theirs)
      let canonicalTheirs = try await tool.list(written).filter { !shared.contains($0.name) }
      #expect(VirtFirmware.listed(canonical).filter { !shared.contains($0.name) } == canonicalTheirs)
    }
    for variable in store.variables {
      let value = try VariableValue(of: variable)
      #expect(value.data == variable.data, "\(variable.key)")
      guard case .loadOption(let option) = value else { continue }
      for path in option.paths { #expect(DevicePath(path.description) == path) }
    }
    print(
      "\(name): \(store.variables.count) live, \(store.deadCount) dead, \(store.sizeOfVariables) bytes; shared names: \(shared)"
    )
  }
}

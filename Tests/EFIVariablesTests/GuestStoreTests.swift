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
    try await withScratchDirectory { scratch in
      let tool = VirtFirmware(scratch: scratch)
      // What was about to be replaced is alive here and not there; all else is equal.
      let theirs = try await tool.list(bytes)
      let more = VirtFirmware.listed(store).symmetricDifference(theirs)
      #expect(more.isEmpty, "\(more.map(\.name))")
      let canonicalTheirs = try await tool.list(written)
      #expect(canonicalTheirs == VirtFirmware.listed(canonical))
    }
    for variable in store.variables {
      let value = try VariableValue(of: variable)
      #expect(value.data == variable.data, "\(variable.key)")
      guard case .loadOption(let option) = value else { continue }
      for path in option.paths { #expect(DevicePath(path.description) == path) }
    }
    print("\(name): \(store.variables.count) live, \(store.deadCount) dead, \(store.sizeOfVariables) bytes")
  }
}

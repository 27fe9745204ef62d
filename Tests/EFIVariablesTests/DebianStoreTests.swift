import EFIVariables
import Foundation
import TestSupport
import Testing

/// The stores that Debian's packages ovmf and qemu-efi-aarch64 ship.
/// One at a time: those of AAVMF have 64 MiB.
@Suite("Stores of Debian", .serialized)
struct DebianStoreTests {
  static let files: [String] =
    ["", ".ms", "_4M", "_4M.ms", "_4M.snakeoil"].map { "/usr/share/OVMF/OVMF_VARS\($0).fd" }
    + [".ms", ".snakeoil"].map { "/usr/share/AAVMF/AAVMF_VARS\($0).fd" }

  private static func read(_ file: String) throws -> [UInt8] {
    try Array(Data(contentsOf: URL(fileURLWithPath: file)))
  }

  @Test("No store that is installed is left out")
  func all() throws {
    let installed = try ["/usr/share/OVMF", "/usr/share/AAVMF"].flatMap { folder in
      try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.contains("VARS") }
        .map { "\(folder)/\($0)" }
    }
    #expect(Set(installed) == Set(Self.files + ["/usr/share/AAVMF/AAVMF_VARS.fd"]))
  }

  @Test("The live variables are those that virt-fw-vars lists", arguments: files)
  func live(file: String) async throws {
    let bytes = try Self.read(file)
    let store = try VariableStore(reading: bytes)
    try await withScratch { tool in
      let listed = try await tool.list(bytes)
      #expect(VirtFirmware.listed(store) == listed)
    }
    #expect(store.layout.isAuthenticated)
  }

  @Test("A canonicalised store is read alike, and is its own canonical form", arguments: files)
  func canonical(file: String) async throws {
    let store = try VariableStore(reading: Self.read(file))
    let canonical = store.canonical()
    let bytes = try canonical.serialized()
    let again = try VariableStore(reading: bytes)
    #expect(again.variables == canonical.variables)
    #expect(again.deadCount == 0)
    #expect(try again.canonical().serialized() == bytes)
    try again.checkHeaders(sameAs: store)
    try await withScratch { tool in
      let listed = try await tool.list(bytes)
      #expect(listed == VirtFirmware.listed(canonical))
    }
    let difference = StoreDifference(from: store, to: canonical)
    #expect(difference.added.isEmpty)
    #expect(difference.changed.allSatisfy { $0.old.key == .monotonicCounter })
    #expect(difference.removed.allSatisfy { $0.key == .errorFlag })
  }

  @Test("A template is its own canonical form", arguments: ["", "_4M"])
  func template(kind: String) throws {
    let bytes = try Self.read("/usr/share/OVMF/OVMF_VARS\(kind).fd")
    #expect(try VariableStore(reading: bytes).canonical().serialized() == bytes)
  }

  @Test("JSON goes to virt-fw-vars and comes back", arguments: files)
  func json(file: String) async throws {
    let store = try VariableStore(reading: Self.read(file))
    let empty = VariableStore(emptyLike: store)
    try await withScratch { tool in
      let json = try VariablesJSON.encode(store.variables)
      #expect(try VariablesJSON.decode(json) == store.variables)
      let filled = try await VariableStore(reading: tool.set(json, in: empty.serialized()))
      #expect(Set(filled.variables) == Set(store.variables))
      let theirs = try await VariablesJSON.decode(tool.json(filled.serialized()))
      #expect(Set(theirs) == Set(store.variables))
    }
  }

  @Test("Each value that is known by name reads, and writes the same bytes", arguments: files)
  func values(file: String) throws {
    for variable in try VariableStore(reading: Self.read(file)).variables {
      #expect(try VariableValue(of: variable).data == variable.data, "\(variable.key)")
      guard case .loadOption(let option) = try VariableValue(of: variable) else { continue }
      for path in option.paths { #expect(DevicePath(path.description) == path) }
    }
  }

  @Test("AAVMF's empty store has no volume yet, and is refused")
  func zero() throws {
    let bytes = try Self.read("/usr/share/AAVMF/AAVMF_VARS.fd")
    #expect(throws: EFIFault(at: 0x28, "there is no firmware volume: the signature _FVH is missing")) {
      try VariableStore(reading: bytes)
    }
  }

  private func withScratch(_ body: (VirtFirmware) async throws -> Void) async throws {
    try await withScratchDirectory { try await body(VirtFirmware(scratch: $0)) }
  }
}

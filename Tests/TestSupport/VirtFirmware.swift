internal import Command
package import EFIVariables
package import Foundation
internal import ImageModel
package import SystemPackage
internal import Testing

/// virt-firmware's `virt-fw-vars`, the independent reader and writer of stores.
package struct VirtFirmware: Sendable {
  /// A variable as it lists it.
  package struct Listed: Hashable, Sendable {
    package var name: String
    package var vendor: String
    package var attributes: Int
    package var data: String
    package var time: String?
  }

  private let tool = TestSystem.repository(".cache/tools/bin/virt-fw-vars")
  private let scratch: FilePath

  /// - Parameter scratch: a folder for its files.
  package init(scratch: FilePath) {
    self.scratch = scratch
  }

  package func list(_ store: [UInt8]) async throws -> Set<Listed> {
    let input = scratch.appending("list.fd")
    try write(store, input)
    let output = scratch.appending("list.json")
    try await SubprocessRunner().run(tool, "--input", input.string, "--output-json", output.string)
    return try Self.listed(Data(contentsOf: URL(fileURLWithPath: output.string)))
  }

  /// Applies JSON to a store.
  package func set(_ json: Data, in store: [UInt8]) async throws -> [UInt8] {
    let input = scratch.appending("set.fd")
    try write(store, input)
    let variables = scratch.appending("set.json")
    try json.write(to: URL(fileURLWithPath: variables.string))
    let output = scratch.appending("set-out.fd")
    try await SubprocessRunner().run(
      tool, "--input", input.string, "--set-json", variables.string, "--output", output.string)
    return try Array(Data(contentsOf: URL(fileURLWithPath: output.string)))
  }

  /// Edits a store as the arguments say.
  package func edit(_ store: [UInt8], _ arguments: [String]) async throws -> [UInt8] {
    let input = scratch.appending("edit.fd")
    try write(store, input)
    let output = scratch.appending("edit-out.fd")
    try await SubprocessRunner().run(
      Command(tool, ["--input", input.string, "--output", output.string] + arguments))
    return try Array(Data(contentsOf: URL(fileURLWithPath: output.string)))
  }

  /// Its JSON as it writes it.
  package func json(_ store: [UInt8]) async throws -> Data {
    _ = try await list(store)
    return try Data(contentsOf: URL(fileURLWithPath: scratch.appending("list.json").string))
  }

  /// A store of any format as an option for the output, such as `--output-aws`, has it.
  package func output(_ option: String, of store: [UInt8]) async throws -> [UInt8] {
    let input = scratch.appending("output-in")
    try write(store, input)
    let output = scratch.appending("output-out")
    try await SubprocessRunner().run(tool, "--input", input.string, option, output.string)
    return try Array(Data(contentsOf: URL(fileURLWithPath: output.string)))
  }

  /// The file with the preset dictionary of AWS's format.
  package static func awsDictionary() async throws -> FilePath {
    let script =
      "import virt.firmware.varstore.aws as a, pathlib; print(pathlib.Path(a.__file__).parent.parent)"
    let folder = try await SubprocessRunner().run(
      TestSystem.repository(".cache/tools/bin/python"), "-c", script)
    return FilePath(folder.trimmingCharacters(in: .whitespacesAndNewlines)).appending("aws/dict.v0")
  }

  package static func listed(_ json: Data) throws -> Set<Listed> {
    struct Document: Decodable {
      struct Entry: Decodable {
        var name: String
        var guid: String
        var attr: Int
        var data: String
        var time: String?
      }
      var variables: [Entry]
    }
    let document = try JSONDecoder().decode(Document.self, from: json)
    return Set(
      document.variables.map {
        Listed(name: $0.name, vendor: $0.guid, attributes: $0.attr, data: $0.data, time: $0.time)
      })
  }

  package static func listed(_ store: VariableStore) -> Set<Listed> {
    Set(
      store.variables.map { variable in
        Listed(
          name: variable.key.name.description, vendor: variable.key.vendor.description,
          attributes: Int(variable.attributes.rawValue), data: text(variable.data),
          time: variable.time == .zero ? nil : text(variable.time.bytes))
      })
  }

  private static func text(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  private func write(_ bytes: [UInt8], _ file: FilePath) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: file.string))
  }

  /// The hard-drive node of a load option's device path.
  package struct HardDrive: Hashable, Sendable {
    package var partition: String
    package var start: UInt64
    package var size: UInt64
  }

  /// Where the `Boot####` entry "Linux Boot Manager" of a store points; nil when there is none.
  package static func linuxBootManager(in store: FilePath) async throws -> HardDrive? {
    let tool = TestSystem.repository(".cache/tools/bin/python")
    let output = try await SubprocessRunner().run(tool, "-c", script, store.string)
    let words = output.split(separator: " ").map(String.init)
    guard words.count == 3, let start = UInt64(words[1]), let size = UInt64(words[2]) else { return nil }
    return HardDrive(partition: words[0], start: start, size: size)
  }

  /// Prints GUID, start and size of the HD() node. virt-fw-vars prints no start and size, so its library does it.
  private static let script = """
    import struct, sys, uuid
    from virt.firmware.varstore import autodetect
    from virt.firmware.efi import bootentry
    store = autodetect.open_varstore(sys.argv[1])
    for name, var in sorted(store.get_varlist().items()):
        if not name.startswith("Boot0"):
            continue
        entry = bootentry.BootEntry(data=var.data)
        if str(entry.title) != "Linux Boot Manager":
            continue
        node = entry.devicepath[0]
        assert (node.devtype, node.subtype) == (4, 1), "the entry does not start at a hard drive"
        number, start, size = struct.unpack_from("<LQQ", node.data)
        print(uuid.UUID(bytes_le=bytes(node.data[20:36])), start, size)
    """

  /// Fails unless a store is read as virt-firmware reads it, its canonical form too, and every value reads.
  ///
  /// virt-firmware keeps one of the variables that share a name, whatever their vendors, and drops those that are in
  /// transition without a successor; neither is in a store that a firmware shut down in peace, but for the names.
  package func expectAgreement(on bytes: [UInt8]) async throws {
    let store = try VariableStore(reading: bytes)
    let canonical = store.canonical()
    let written = try canonical.serialized()
    try #require(try VariableStore(reading: written).canonical().serialized() == written)
    let names = Dictionary(grouping: store.variables) { $0.key.name }
    let shared = Set(names.filter { $0.value.count > 1 }.keys.map(\.description))
    for (store, bytes) in [(store, bytes), (canonical, written)] {
      let (ours, theirs) = (Self.listed(store), try await list(bytes))
      #expect(theirs.isSubset(of: ours))
      // Of a shared name it lists one; all that it leaves out has such a name, and is shown.
      let missing = ours.subtracting(theirs)
      #expect(missing.allSatisfy { shared.contains($0.name) })
      #expect(Set(missing.map(\.name)) == shared)
      for variable in missing { print("virt-firmware leaves out \(variable.name) of \(variable.vendor)") }
    }
    for variable in store.variables {
      let value = try VariableValue(of: variable)
      #expect(value.data == variable.data, "\(variable.key)")
      guard case .loadOption(let option) = value else { continue }
      for path in option.paths { #expect(DevicePath(path.description) == path) }
    }
  }
}

import Command
import EFIVariables
import Foundation
import ImageModel
import SystemPackage
import TestSupport

/// virt-firmware's `virt-fw-vars`, the independent reader and writer of stores.
struct VirtFirmware {
  /// A variable as it lists it.
  struct Listed: Hashable {
    var name: String
    var vendor: String
    var attributes: Int
    var data: String
    var time: String?
  }

  private let tool = TestSystem.repository(".cache/tools/bin/virt-fw-vars")
  let scratch: FilePath

  func list(_ store: [UInt8]) async throws -> Set<Listed> {
    let input = scratch.appending("list.fd")
    try write(store, input)
    let output = scratch.appending("list.json")
    try await SubprocessRunner().run(tool, "--input", input.string, "--output-json", output.string)
    return try Self.listed(Data(contentsOf: URL(fileURLWithPath: output.string)))
  }

  /// Applies JSON to a store.
  func set(_ json: Data, in store: [UInt8]) async throws -> [UInt8] {
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
  func edit(_ store: [UInt8], _ arguments: [String]) async throws -> [UInt8] {
    let input = scratch.appending("edit.fd")
    try write(store, input)
    let output = scratch.appending("edit-out.fd")
    try await SubprocessRunner().run(
      Command(tool, ["--input", input.string, "--output", output.string] + arguments))
    return try Array(Data(contentsOf: URL(fileURLWithPath: output.string)))
  }

  /// Its JSON as it writes it.
  func json(_ store: [UInt8]) async throws -> Data {
    _ = try await list(store)
    return try Data(contentsOf: URL(fileURLWithPath: scratch.appending("list.json").string))
  }

  static func listed(_ json: Data) throws -> Set<Listed> {
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

  static func listed(_ store: VariableStore) -> Set<Listed> {
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
}

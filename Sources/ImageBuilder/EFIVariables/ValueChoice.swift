internal import Basics
package import EFIVariables
internal import Foundation

/// A variable's new value, in one of the ways in which a person can give it.
package enum ValueChoice: Sendable {
  case text(String)
  case hexadecimal(String)
  case file(String)
  case loadOption(description: String, paths: [String], isActive: Bool, data: String?)

  /// The bytes to store.
  ///
  /// - Throws: `Fault`.
  package func data(for key: VariableKey) throws -> [UInt8] {
    switch self {
    case .text(let text): return try VariableValue(text: text, for: key).data
    case .hexadecimal(let text): return try Self.bytes(text)
    case .file(let file):
      return try InputFile.read(file, "the value", limit: InputFile.keyLimit)
    case .loadOption(let description, let texts, let isActive, let data):
      guard key.isLoadOption else {
        throw Fault(
          .badInput, "\(key.name) is not a load option, so it has neither a description nor a path",
          remedy: "Give its value with --data, --hex or --file")
      }
      let paths = try texts.map { text in
        guard let path = DevicePath(text) else {
          throw Fault(
            .badInput, "'\(text)' is not a device path",
            remedy: #"Write it as in HD(1,GPT,8be4df61-93ca-11d2-aa0d-00e098032b8c,0x800,0x64000)/\EFI\A.EFI"#
          )
        }
        return path
      }
      return LoadOption(
        description, paths, attributes: isActive ? .active : [], optionalData: try data.map(Self.bytes) ?? []
      ).data
    }
  }

  private static func bytes(_ text: String) throws -> [UInt8] {
    guard let bytes = Hexadecimal.bytes(text) else {
      throw Fault(
        .badInput, "'\(text)' is not hexadecimal", remedy: "Give pairs of digits, such as 0100")
    }
    return bytes
  }
}

extension VariableStoreFile {
  /// Gives a variable a value; one that is there keeps its attributes and time.
  ///
  /// - Parameters:
  ///   - attributes: what the variable gets; nil for what it has, or what is usual.
  ///   - key: finds the variable in the store.
  /// - Throws: `Fault`.
  package func set(
    _ choice: ValueChoice, attributes: VariableAttributes?, into out: String?,
    _ key: (VariableStore) throws -> VariableKey
  ) async throws {
    try await edit(into: out) { store in
      let key = try key(store)
      let data = try choice.data(for: key)
      var variable = store[key] ?? Variable(key, key.usualAttributes, data, time: key.usualTime)
      variable.data = data
      if let attributes { variable.attributes = attributes }
      // What nobody can read again is a slip, not a wish, unless it is given as bytes.
      if case .hexadecimal = choice {} else { _ = try VariableValue(of: variable) }
      try store.set(variable)
    }
  }

  /// Sets every variable of a document of virt-firmware's.
  ///
  /// - Returns: how many there were.
  /// - Throws: `Fault`.
  package func set(json file: String, into out: String?) async throws -> Int {
    let bytes = try InputFile.read(file, "the document", limit: InputFile.textLimit)
    let variables = try Self.variables(json: bytes, of: file)
    try await edit(into: out, with: file) { store in for variable in variables { try store.set(variable) } }
    return variables.count
  }

  /// The variables of a document.
  ///
  /// - Parameter file: what it is called.
  /// - Throws: `Fault`.
  static func variables(json bytes: [UInt8], of file: String) throws -> [Variable] {
    do {
      return try VariablesJSON.decode(Data(bytes))
    } catch DecodingError.dataCorrupted(let context) {
      throw Fault(.badInput, "\(file): \(context.debugDescription)")
    } catch {
      throw Fault(
        .badInput,
        "\(file) is not a JSON document of variables, as 'slipway efivars show --json' writes it: \(error)"
      )
    }
  }
}

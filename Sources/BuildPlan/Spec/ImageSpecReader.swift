internal import Foundation

extension ImageSpec {
  /// Reads the JSON of a spec: one object, whose every key is known.
  ///
  /// - Throws: `SpecError` that names the key.
  public init(json: [UInt8]) throws(SpecError) {
    guard !json.contains(0), String(validating: json, as: UTF8.self) != nil else {
      throw SpecError("spec", "this is not UTF-8 text", remedy: "Save the file as UTF-8")
    }
    let document: SpecValue
    do {
      document = try JSONDecoder().decode(SpecValue.self, from: Data(json))
    } catch {
      throw SpecError("spec", "this is not JSON", remedy: "Check it with 'python3 -m json.tool'")
    }
    if let key = JSONKeys.firstDuplicate(in: json) {
      throw SpecError(key, "an object has this key twice", remedy: "Leave one of the two out")
    }
    try self.init(document)
  }

  /// Reads a spec that is an object already.
  ///
  /// - Throws: `SpecError` that names the key.
  package init(_ document: SpecValue) throws(SpecError) {
    guard case .object(let values) = document else {
      throw SpecError("spec", "the JSON is not an object", remedy: "Write {\"system\": \"/nix/store/…\"}")
    }
    self.init()
    for (name, value) in values.sorted(by: { $0.key < $1.key }) {
      guard let key = SpecKey.all.first(where: { $0.name == name }) else {
        throw SpecError(
          name, "no such key", remedy: "Known are: \(SpecKey.all.map(\.name).joined(separator: ", "))")
      }
      if let long = key.shortFor, values[long] != nil {
        throw SpecError(
          long, "\(name) is given as well, which is short for a list of one",
          remedy: "Leave one of the two out")
      }
      try key.read(SpecReader(key: name, value: value), &self)
    }
  }
}

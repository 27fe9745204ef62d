internal import Foundation

/// The spec's JSON Schema (draft 2020-12), as it follows from the table of keys. It knows each key's type; what keys say
/// together, and the limits of numbers, only the planner judges.
package enum SpecSchema {
  /// The schema as JSON text.
  package static func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    var schema = keywords
    schema["$schema"] = .text("https://json-schema.org/draft/2020-12/schema")
    schema["title"] = .text("Slipway image spec")
    return String(decoding: try encoder.encode(SpecValue.object(schema)), as: UTF8.self) + "\n"
  }

  /// What a spec is to fit, for a schema that has specs within.
  package static var keywords: [String: SpecValue] {
    let properties = SpecKey.all.map { ($0.name, schema(of: $0)) }
    return [
      "type": .text("object"),
      "properties": .object(Dictionary(uniqueKeysWithValues: properties)),
      "additionalProperties": .flag(false),
    ]
  }

  private static func schema(of key: SpecKey) -> SpecValue {
    var keywords = keywords(key.shape)
    keywords["description"] = .text(key.help)
    switch key.standard {
    case .value(let value): keywords["default"] = value
    case .words(let words): keywords["description"] = .text("\(key.help) Default: \(words).")
    case nil: break
    }
    return .object(keywords)
  }

  private static func keywords(_ shape: SpecShape) -> [String: SpecValue] {
    switch shape {
    case .text, .path, .script: pattern(#"^[^\u0000]+$"#)
    case .flag: ["type": .text("boolean")]
    case .number: integer(upTo: UInt64(Int32.max))
    case .size: any([integer(upTo: .max), pattern("^\(size)\(unit)?$")])
    case .diskSize: any([integer(upTo: .max >> 20), pattern("^(auto|[0-9]+|\(size)\(unit))$")])
    case .guid: pattern("^\(guid)$")
    case .mode: pattern("^\(mode)(,\(mode))*$")
    case .filesystem: pattern("^[a-z0-9][a-z0-9_-]{0,29}$")
    case .partitionType: pattern("^(\(guid)|[0-9A-Fa-f]{1,2})$")
    case .channel: any([keywords(.path), ["const": .flag(false)]])
    case .choice(let choices): ["enum": .list(choices.map(SpecValue.text))]
    case .list(let item): ["type": .text("array"), "items": .object(keywords(item))]
    case .oneOrMore(let item): any([keywords(item), keywords(.list(item))])
    case .object(let fields): object(fields)
    }
  }

  private static let size = #"([0-9]+(\.[0-9]{1,18})?|\.[0-9]{1,18})"#
  private static let unit = "([KMGTPEkmgtpe]([Ii][Bb]?)?)"
  private static let mode = "[DF]*(0*[0-7]{1,4}|[ugoa]*[-+=][rwxXst]*)"
  private static let guid = "[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"

  private static func pattern(_ pattern: String) -> [String: SpecValue] {
    ["type": .text("string"), "pattern": .text(pattern)]
  }

  private static func integer(upTo most: UInt64) -> [String: SpecValue] {
    ["type": .text("integer"), "minimum": .number(0), "maximum": .number(most)]
  }

  private static func any(_ shapes: [[String: SpecValue]]) -> [String: SpecValue] {
    ["anyOf": .list(shapes.map(SpecValue.object))]
  }

  /// A field that is null, as Nix writes it, is one that is not given.
  private static func object(_ fields: [SpecField]) -> [String: SpecValue] {
    let properties = fields.map { field in
      var schema = keywords(field.shape)
      if !field.isRequired { schema = any([schema, ["type": .text("null")]]) }
      schema["description"] = .text(field.help)
      return (field.name, SpecValue.object(schema))
    }
    let required = fields.filter(\.isRequired).map { SpecValue.text($0.name) }
    return [
      "type": .text("object"),
      "properties": .object(Dictionary(uniqueKeysWithValues: properties)),
      "required": .list(required),
      "additionalProperties": .flag(false),
    ]
  }
}

internal import BuildPlan
internal import Foundation

/// The JSON Schema of scenarios (draft 2020-12), as it follows from the shapes of the steps. What steps say together, and the
/// syntax of regular expressions, only the reader judges.
public enum ScenarioSchema {
  /// The schema as JSON text.
  public static func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(schema), as: UTF8.self) + "\n"
  }

  private static var schema: SpecValue {
    var keywords = object(Scenario.fields)
    keywords["$schema"] = .text("https://json-schema.org/draft/2020-12/schema")
    keywords["title"] = .text("Slipway scenario")
    return .object(keywords)
  }

  /// One step: the key that is its kind, and maybe a name.
  private static var steps: [String: SpecValue] {
    let kinds = ScenarioSteps.all
    var properties = [property(ScenarioSteps.name)]
    properties += kinds.map { kind in
      property(ScenarioField(kind.key, kind.shape, kind.help))
    }
    let one: [String: SpecValue] = [
      "type": .text("object"), "properties": .object(Dictionary(properties) { first, _ in first }),
      "additionalProperties": .flag(false),
      "oneOf": .list(kinds.map { .object(["required": .list([.text($0.key)])]) }),
    ]
    return list(one)
  }

  private static func property(_ field: ScenarioField) -> (String, SpecValue) {
    var keywords = keywords(field.shape)
    keywords["description"] = .text(field.help)
    return (field.name, .object(keywords))
  }

  private static func keywords(_ shape: ScenarioShape) -> [String: SpecValue] {
    switch shape {
    case .text: text(nil)
    case .regex: text(nil).merging(["format": .text("regex")]) { first, _ in first }
    case .path: text("^/")
    case .system: text(#"^[/$]"#)
    case .flag: ["type": .text("boolean")]
    case .number(let range): number("integer", Double(range.lowerBound), Double(range.upperBound))
    case .seconds(let range): number("number", range.lowerBound, range.upperBound)
    case .size: any([number("integer", 0, nil), text(#"^[0-9.]+([KMGTPEkmgtpe]([Ii][Bb]?)?)?$"#)])
    case .partition: any([number("integer", 0, 255), text("^/")])
    case .moment:
      any([
        number("number", 0, Double(ScenarioShape.timeLimits.upperBound)), keywords(.regex),
      ])
    case .digest: text("^[0-9A-Fa-f]{64}$")
    case .choice(let choices): ["enum": .list(choices.map(SpecValue.text))]
    case .list(let item): list(keywords(item))
    case .oneOrMore(let item): any([keywords(item), list(keywords(item))])
    case .map(let value):
      [
        "type": .text("object"), "minProperties": .number(1),
        "additionalProperties": .object(keywords(value)),
      ]
    case .object(let fields, let short):
      short.map { name in
        any([object(fields)] + fields.filter { $0.name == name }.map { keywords($0.shape) })
      }
        ?? (fields.contains(where: \.isRequired)
          ? object(fields) : any([object(fields), ["type": .text("null")]]))
    case .spec: SpecSchema.keywords
    case .steps: steps
    }
  }

  private static func text(_ pattern: String?) -> [String: SpecValue] {
    var keywords: [String: SpecValue] = ["type": .text("string"), "minLength": .number(1)]
    if let pattern { keywords["pattern"] = .text(pattern) }
    return keywords
  }

  private static func number(_ type: String, _ least: Double, _ most: Double?) -> [String: SpecValue] {
    var keywords: [String: SpecValue] = ["type": .text(type), "minimum": .otherNumber(least)]
    if let most { keywords["maximum"] = .otherNumber(most) }
    return keywords
  }

  private static func list(_ item: [String: SpecValue]) -> [String: SpecValue] {
    [
      "type": .text("array"), "items": .object(item), "minItems": .number(1),
      "maxItems": .number(UInt64(ScenarioShape.longestList)),
    ]
  }

  private static func any(_ shapes: [[String: SpecValue]]) -> [String: SpecValue] {
    ["anyOf": .list(shapes.map(SpecValue.object))]
  }

  private static func object(_ fields: [ScenarioField]) -> [String: SpecValue] {
    [
      "type": .text("object"), "additionalProperties": .flag(false),
      "properties": .object(Dictionary(fields.map(property)) { first, _ in first }),
      "required": .list(fields.filter(\.isRequired).map { .text($0.name) }),
    ]
  }
}

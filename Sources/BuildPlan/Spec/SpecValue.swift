/// Any JSON value, so that a key's value can be judged before its type is known.
package enum SpecValue: Hashable, Sendable {
  case null
  case flag(Bool)
  case number(UInt64)
  case otherNumber(Double)
  case text(String)
  case list([SpecValue])
  case object([String: SpecValue])
}

extension SpecValue: Codable {
  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .null
    } else if let flag = try? container.decode(Bool.self) {
      self = .flag(flag)
    } else if let number = try? container.decode(UInt64.self) {
      self = .number(number)
    } else if let number = try? container.decode(Double.self) {
      self = .otherNumber(number)
    } else if let text = try? container.decode(String.self) {
      self = .text(text)
    } else if let list = try? container.decode([SpecValue].self) {
      self = .list(list)
    } else {
      self = .object(try container.decode([String: SpecValue].self))
    }
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .null: try container.encodeNil()
    case .flag(let flag): try container.encode(flag)
    case .number(let number): try container.encode(number)
    case .otherNumber(let number): try container.encode(number)
    case .text(let text): try container.encode(text)
    case .list(let list): try container.encode(list)
    case .object(let object): try container.encode(object)
    }
  }
}

extension SpecValue {
  /// This value with another one at a path of objects, which are made where there are none.
  package func setting(_ path: ArraySlice<String>, to value: SpecValue) -> SpecValue {
    guard let name = path.first else { return value }
    var fields: [String: SpecValue] = [:]
    if case .object(let known) = self { fields = known }
    fields[name] = (fields[name] ?? .null).setting(path.dropFirst(), to: value)
    return .object(fields)
  }
}

internal import Basics
internal import BuildPlan
internal import ImageModel

/// What a value of a scenario looks like. Reader and JSON Schema both go by it.
indirect enum ScenarioShape: Hashable, Sendable {
  case text
  /// A regular expression, of Swift's kind.
  case regex
  /// An absolute path.
  case path
  /// A system's store path, or `$NAME` for one that the command line names.
  case system
  case flag
  case number(ClosedRange<Int>)
  case seconds(ClosedRange<Double>)
  /// A number of bytes, or a text such as `16K`.
  case size
  /// A partition's number, or where the system mounts it.
  case partition
  /// Seconds, or a regular expression for the console.
  case moment
  /// A SHA-256, in hexadecimal.
  case digest
  case choice([String])
  case list(ScenarioShape)
  /// One value, or a list of them.
  case oneOrMore(ScenarioShape)
  /// Names of the scenario's own, each with a value.
  case map(ScenarioShape)
  /// - Parameter short: the only field that is given where the value is no mapping.
  case object([ScenarioField], short: String? = nil)
  /// The keys of an image spec.
  case spec
  /// Steps of a scenario, each a mapping with the key that is its kind.
  case steps
}

/// A field of a mapping.
struct ScenarioField: Hashable, Sendable {
  var name: String
  var shape: ScenarioShape
  var isRequired: Bool
  /// What it is for, in one sentence.
  var help: String

  init(_ name: String, _ shape: ScenarioShape, isRequired: Bool = false, _ help: String) {
    (self.name, self.shape, self.isRequired, self.help) = (name, shape, isRequired, help)
  }
}

extension ScenarioShape {
  /// No text or list of a scenario is longer.
  static let longestText = 64 << 10
  static let longestList = 1000
  /// A boot may take a day.
  static let timeLimits = 1...86_400

  /// Store paths of systems, by their names.
  typealias Systems = [String: String]

  /// Checks a value, and all that is in it.
  ///
  /// - Returns: the value with what it is short for written out, and with store paths in the place of names.
  /// - Throws: `ScenarioError` with the line of what does not fit.
  func checked(_ value: YAMLValue, _ systems: Systems) throws(ScenarioError) -> YAMLValue {
    switch self {
    case .text: _ = try Self.text(value)
    case .regex: try Self.checkRegex(Self.text(value), value)
    case .path:
      guard try Self.text(value).hasPrefix("/") else {
        throw Self.wrong(value, "a path with a slash in front")
      }
    case .system: return try Self.system(value, systems)
    case .flag:
      guard case .flag = value.content else { throw Self.wrong(value, "true or false") }
    case .number(let range):
      guard case .number(let number) = value.content, range.contains(number) else {
        throw Self.wrong(value, "a whole number from \(range.lowerBound) to \(range.upperBound)")
      }
    case .seconds(let range): try Self.checkSeconds(value, range)
    case .size:
      guard value.size != nil else { throw Self.wrong(value, "a number of bytes, or a size such as 16K") }
    case .partition: try Self.checkPartition(value)
    case .moment:
      if case .text(let text) = value.content {
        try Self.checkRegex(text, value)
      } else {
        try Self.checkSeconds(value, 0...Double(Self.timeLimits.upperBound))
      }
    case .digest:
      let text = try Self.text(value)
      guard text.utf8.count == 64, Hexadecimal.bytes(text) != nil else {
        throw Self.wrong(value, "64 hexadecimal digits")
      }
    case .choice(let choices):
      guard case .text(let text) = value.content, choices.contains(text) else {
        throw Self.wrong(value, "one of \(choices.joined(separator: ", "))")
      }
    case .list(let item):
      guard case .list(let items) = value.content else { throw Self.wrong(value, "a list") }
      return try Self.list(items, of: item, value, systems)
    case .oneOrMore(let item):
      guard case .list(let items) = value.content else {
        return try Self.list([value], of: item, value, systems)
      }
      return try Self.list(items, of: item, value, systems)
    case .map(let shape): return try Self.map(value, shape, systems)
    case .object(let fields, let short): return try Self.object(value, fields, short, systems)
    case .spec: return try Self.spec(value, systems)
    case .steps: return try Self.steps(value, systems)
    }
    return value
  }

  private static func list(
    _ items: [YAMLValue], of shape: ScenarioShape, _ value: YAMLValue, _ systems: Systems
  ) throws(ScenarioError) -> YAMLValue {
    guard !items.isEmpty, items.count <= longestList else {
      throw wrong(value, "a list of 1 to \(longestList) items")
    }
    var checked: [YAMLValue] = []
    for item in items { checked.append(try shape.checked(item, systems)) }
    return YAMLValue(content: .list(checked), line: value.line)
  }

  private static func map(_ value: YAMLValue, _ shape: ScenarioShape, _ systems: Systems)
    throws(ScenarioError) -> YAMLValue
  {
    guard case .mapping(let entries) = value.content, !entries.isEmpty, entries.count <= longestList else {
      throw wrong(value, "a mapping")
    }
    var checked: [YAMLValue.Entry] = []
    for entry in entries {
      checked.append(.init(key: entry.key, line: entry.line, value: try shape.checked(entry.value, systems)))
    }
    return YAMLValue(content: .mapping(checked), line: value.line)
  }

  private static func object(
    _ value: YAMLValue, _ fields: [ScenarioField], _ short: String?, _ systems: Systems
  ) throws(ScenarioError) -> YAMLValue {
    var entries: [YAMLValue.Entry]
    switch (value.content, short) {
    case (.mapping(let given), _): entries = given
    case (.null, nil) where !fields.contains(where: \.isRequired): entries = []
    case (_, let short?): entries = [.init(key: short, line: value.line, value: value)]
    case (_, nil): throw wrong(value, "a mapping of \(fields.map(\.name).joined(separator: ", "))")
    }
    for index in entries.indices {
      let entry = entries[index]
      guard let field = fields.first(where: { $0.name == entry.key }) else {
        throw ScenarioError(
          entry.line, "no such key: '\(entry.key)'",
          remedy: "Known here are: \(fields.map(\.name).joined(separator: ", "))")
      }
      entries[index].value = try field.shape.checked(entry.value, systems)
    }
    if let missing = fields.first(where: { field in
      field.isRequired && !entries.contains { $0.key == field.name }
    }) {
      throw ScenarioError(missing: missing.name, value.line)
    }
    return YAMLValue(content: .mapping(entries), line: value.line)
  }

  private static func wrong(_ value: YAMLValue, _ wanted: String) -> ScenarioError {
    ScenarioError(value.line, "this is \(value.word), and has to be \(wanted)", remedy: "Write \(wanted)")
  }

  private static func text(_ value: YAMLValue) throws(ScenarioError) -> String {
    guard case .text(let text) = value.content else {
      if case .list = value.content { throw wrong(value, "a text") }
      if case .mapping = value.content { throw wrong(value, "a text") }
      throw wrong(value, "a text; in quotes, if it looks like something else")
    }
    guard !text.isEmpty, text.utf8.count <= longestText, !text.utf8.contains(0) else {
      throw wrong(value, "a text of 1 to \(longestText) bytes")
    }
    return text
  }

  private static func checkRegex(_ text: String, _ value: YAMLValue) throws(ScenarioError) {
    do {
      _ = try Regex(text)
    } catch {
      throw ScenarioError(
        value.line, "'\(text)' is not a regular expression: \(error)", remedy: "Mend its syntax")
    }
  }

  private static func system(_ value: YAMLValue, _ systems: Systems) throws(ScenarioError) -> YAMLValue {
    let text = try text(value)
    guard text.hasPrefix("$") else {
      guard text.hasPrefix("/") else { throw wrong(value, "a store path, or $NAME") }
      return value
    }
    guard let path = systems[String(text.dropFirst())] else {
      let known =
        systems.isEmpty ? "none is given" : "given are \(systems.keys.sorted().joined(separator: ", "))"
      throw ScenarioError(
        value.line, "the system \(text) is not given",
        remedy: "Add --system \(text.dropFirst())=PATH; \(known)")
    }
    return YAMLValue(content: .text(path), line: value.line)
  }

  /// Names stand for systems where a spec has paths.
  private static func spec(_ value: YAMLValue, _ systems: Systems) throws(ScenarioError) -> YAMLValue {
    guard case .mapping(var entries) = value.content else {
      throw wrong(value, "a mapping of the spec's keys")
    }
    for index in entries.indices {
      let shape = SpecKey.all.first { $0.name == entries[index].key }?.shape
      let given = entries[index].value
      switch (shape, given.content) {
      case (.path, .text(let text)) where text.hasPrefix("$"):
        entries[index].value = try system(given, systems)
      case (.list(.path), .list(var items)):
        for place in items.indices where items[place].text.hasPrefix("$") {
          items[place] = try system(items[place], systems)
        }
        entries[index].value.content = .list(items)
      default: break
      }
    }
    return YAMLValue(content: .mapping(entries), line: value.line)
  }

  private static func steps(_ value: YAMLValue, _ systems: Systems) throws(ScenarioError) -> YAMLValue {
    guard case .list(let items) = value.content, !items.isEmpty, items.count <= longestList else {
      throw wrong(value, "a list of 1 to \(longestList) steps")
    }
    var checked: [YAMLValue] = []
    for item in items {
      let kinds = ScenarioSteps.all
      let fields = [ScenarioSteps.name] + kinds.map { ScenarioField($0.key, $0.shape, $0.help) }
      let step = try object(item, fields, nil, systems)
      let given = step.entries.filter { $0.key != ScenarioSteps.name.name }
      guard given.count == 1 else {
        throw ScenarioError(
          item.line, "this step has \(given.isEmpty ? "no key" : "several keys") of what is done",
          remedy: "Write one of: \(kinds.map { $0.key }.joined(separator: ", "))")
      }
      checked.append(step)
    }
    return YAMLValue(content: .list(checked), line: value.line)
  }

  private static func checkSeconds(_ value: YAMLValue, _ range: ClosedRange<Double>) throws(ScenarioError) {
    guard let seconds = value.seconds, range.contains(seconds) else {
      throw wrong(value, "a number of seconds from \(range.lowerBound) to \(range.upperBound)")
    }
  }

  private static func checkPartition(_ value: YAMLValue) throws(ScenarioError) {
    switch value.content {
    case .number(let number) where (0...255).contains(number): break
    case .text(let text) where text.hasPrefix("/") && text.utf8.count <= longestText: break
    default: throw wrong(value, "a partition's number, or where it is mounted, such as /boot")
    }
  }
}

extension ScenarioError {
  init(missing name: String, _ line: Int) {
    self.init(line, "the key '\(name)' is missing", remedy: "Add it")
  }
}

/// A checked value's parts.
extension YAMLValue {
  /// A field of a mapping; nil where it is not given.
  subscript(name: String) -> YAMLValue? {
    guard case .mapping(let entries) = content else { return nil }
    return entries.first { $0.key == name }?.value
  }

  /// A field that has to be there.
  func required(_ name: String) throws(ScenarioError) -> YAMLValue {
    guard let value = self[name] else { throw ScenarioError(missing: name, line) }
    return value
  }

  var text: String {
    guard case .text(let text) = content else { return "" }
    return text
  }

  // Inlined into a throwing initialiser, this crashes the optimiser of Swift 6.3.1 (CopyPropagation).
  @inline(never) var number: Int? {
    guard case .number(let number) = content else { return nil }
    return number
  }

  var isTrue: Bool { content == .flag(true) }

  var seconds: Double? {
    switch content {
    case .number(let number): Double(number)
    case .decimal(let number): number
    default: nil
    }
  }

  var size: UInt64? {
    switch content {
    case .number(let number): UInt64(exactly: number)
    case .text(let text): ByteSize(text)?.bytes
    default: nil
    }
  }

  var items: [YAMLValue] {
    guard case .list(let items) = content else { return [] }
    return items
  }

  var texts: [String] { items.map(\.text) }

  var entries: [Entry] {
    guard case .mapping(let entries) = content else { return [] }
    return entries
  }
}

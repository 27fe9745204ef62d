internal import BuildPlan
internal import Yams

/// A value of a YAML document, with its line. Scalars are as YAML 1.2's core schema has them, without its rarer numbers:
/// `on` and `yes` are text.
struct YAMLValue: Hashable, Sendable {
  enum Content: Hashable, Sendable {
    case null
    case flag(Bool)
    case number(Int)
    case decimal(Double)
    case text(String)
    case list([YAMLValue])
    case mapping([Entry])
  }

  /// A key of a mapping, and what it has.
  struct Entry: Hashable, Sendable {
    var key: String
    /// The key's line, from 1.
    var line: Int
    var value: YAMLValue
  }

  var content: Content
  /// Its line, from 1.
  var line: Int

  init(content: Content, line: Int) {
    (self.content, self.line) = (content, line)
  }

  /// The most bytes that are read.
  static let sizeLimit = 1 << 20
  /// More values than any scenario has.
  private static let mostValues = 20_000

  /// Reads a text with one document.
  ///
  /// - Throws: `ScenarioError` with the line.
  static func read(_ bytes: [UInt8]) throws(ScenarioError) -> YAMLValue {
    guard bytes.count <= sizeLimit else {
      throw ScenarioError(1, "it has more than \(sizeLimit >> 10) KiB", remedy: "Leave something out")
    }
    guard let text = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else {
      throw ScenarioError(1, "this is not UTF-8 text", remedy: "Save the file as UTF-8")
    }
    do {
      // It owns the anchors.
      let parser = try Parser(yaml: text, encoding: .utf8)
      return try withExtendedLifetime(parser) {
        guard let root = try parser.singleRoot() else {
          throw ScenarioError(1, "the document is empty", remedy: "Write a mapping with the key steps")
        }
        var count = 0
        return try YAMLValue(root, &count)
      }
    } catch let error as ScenarioError {
      throw error
    } catch let error as YamlError {
      throw ScenarioError(error)
    } catch {
      throw ScenarioError(1, "\(error)", remedy: "Mend the syntax")
    }
  }

  private init(_ node: Node, _ count: inout Int) throws(ScenarioError) {
    let line = node.mark?.line ?? 1
    count += 1
    guard count <= Self.mostValues else {
      throw ScenarioError(line, "it has more than \(Self.mostValues) values", remedy: "Leave something out")
    }
    // What is said once is read once: aliases of aliases would make much of little.
    guard node.anchor == nil else {
      throw ScenarioError(line, "this has an anchor, and aliases are not read", remedy: "Write it out")
    }
    self.line = line
    switch node {
    case .scalar(let scalar):
      // Quotes alone make it a text.
      if scalar.style == .plain || scalar.tag.description != "tag:yaml.org,2002:str" {
        try Self.checkTag(scalar.tag, line)
      }
      content = scalar.style == .plain ? Self.plain(scalar.string) : .text(scalar.string)
    case .sequence(let sequence):
      try Self.checkTag(sequence.tag, line)
      var items: [YAMLValue] = []
      for item in sequence { items.append(try YAMLValue(item, &count)) }
      content = .list(items)
    case .mapping(let mapping):
      try Self.checkTag(mapping.tag, line)
      var entries: [Entry] = []
      for (key, value) in mapping {
        let keyLine = key.mark?.line ?? line
        guard case .scalar(let scalar) = key, key.anchor == nil else {
          throw ScenarioError(keyLine, "this key is not a text", remedy: "Write a plain word")
        }
        entries.append(Entry(key: scalar.string, line: keyLine, value: try YAMLValue(value, &count)))
      }
      content = .mapping(entries)
    case .alias:
      throw ScenarioError(line, "this is an alias", remedy: "Write it out")
    }
  }

  private static func checkTag(_ tag: Tag, _ line: Int) throws(ScenarioError) {
    guard tag.description.isEmpty else {
      throw ScenarioError(line, "this has the tag '\(tag.description)'", remedy: "Leave the tag out")
    }
  }

  private static func plain(_ text: String) -> Content {
    switch text {
    case "", "~", "null": return .null
    case "true": return .flag(true)
    case "false": return .flag(false)
    default: break
    }
    let digits = text.hasPrefix("-") ? text.dropFirst() : text[...]
    let isNumber = { (text: Substring) in !text.isEmpty && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
    }
    if isNumber(digits), let number = Int(text) { return .number(number) }
    let parts = digits.split(separator: ".", omittingEmptySubsequences: false)
    if parts.count == 2, parts.allSatisfy(isNumber), let number = Double(text) { return .decimal(number) }
    return .text(text)
  }
}

extension YAMLValue {
  /// The same as JSON has it.
  var json: SpecValue {
    switch content {
    case .null: .null
    case .flag(let flag): .flag(flag)
    case .number(let number): number < 0 ? .otherNumber(Double(number)) : .number(UInt64(number))
    case .decimal(let number): .otherNumber(number)
    case .text(let text): .text(text)
    case .list(let items): .list(items.map(\.json))
    case .mapping(let entries):
      .object(Dictionary(entries.map { ($0.key, $0.value.json) }) { first, _ in first })
    }
  }

  /// What it is, for messages.
  var word: String {
    switch content {
    case .null: "nothing"
    case .flag(let flag): "\(flag)"
    case .number(let number): "the number \(number)"
    case .decimal(let number): "the number \(number)"
    case .text: "a text"
    case .list: "a list"
    case .mapping: "a mapping"
    }
  }
}

/// What a scenario says that cannot be. It knows the line and not the file's name, which whoever reads the file adds.
struct ScenarioError: Error, Hashable {
  /// From 1.
  var line: Int
  var message: String
  var remedy: String

  init(_ line: Int, _ message: String, remedy: String) {
    (self.line, self.message, self.remedy) = (line, message, remedy)
  }
}

extension ScenarioError {
  fileprivate init(_ error: YamlError) {
    let remedy = "Mend the syntax"
    switch error {
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
      .composer(_, let problem, let mark, _):
      self.init(mark.line, "this is not YAML: \(problem)", remedy: remedy)
    case .duplicatedKeysInMapping(let duplicates, let context):
      self.init(
        context.mark.line, "the key '\(duplicates.first ?? "")' is there twice",
        remedy: "Leave one of the two out")
    case .reader(let problem, _, _, _):
      self.init(1, "this is not YAML: \(problem)", remedy: remedy)
    default: self.init(1, "this is not YAML", remedy: remedy)
    }
  }
}

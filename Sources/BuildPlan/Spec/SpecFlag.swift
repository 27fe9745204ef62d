/// A flag of the command line that sets a key of the spec, or a field of one.
package struct SpecFlag: Sendable {
  /// Its name, without dashes.
  package let name: String
  package let group: SpecGroup
  package let shape: SpecShape
  package let standard: SpecDefault?
  /// Where its value is in a spec.
  package let path: [String]
  private let summary: String

  /// The flags of every key.
  package static let all = SpecKey.all.flatMap { key in
    if case .object(let fields) = key.shape { return of(fields, below: [key.name], key.group) }
    return key.flagName.map { name in
      [
        SpecFlag(
          name: name, group: key.group, shape: key.shape, standard: key.standard, path: [key.name],
          summary: key.help)
      ]
    } ?? []
  }

  private static func of(_ fields: [SpecField], below path: [String], _ group: SpecGroup) -> [SpecFlag] {
    fields.flatMap { field in
      let path = path + [field.name]
      if case .object(let fields) = field.shape { return of(fields, below: path, group) }
      return [
        SpecFlag(
          name: path.map(kebabCase).joined(separator: "-"), group: group, shape: field.shape, standard: nil,
          path: path, summary: field.help)
      ]
    }
  }
}

extension SpecFlag {
  /// What the help says, with the values and the default in the notation of the other options.
  package var help: String {
    var notes: [String] = []
    if case .choice(let choices) = item { notes.append("values: \(choices.joined(separator: ", "))") }
    if let standard { notes.append("default: \(standard.text)") }
    let text = isRepeated ? "\(summary.dropLast()); may be given again." : summary
    return notes.isEmpty ? text : "\(text) (\(notes.joined(separator: "; ")))"
  }

  /// Whether it may be given again, for a further value.
  package var isRepeated: Bool { item != shape }

  /// The shape of one value.
  package var item: SpecShape {
    switch shape {
    case .list(let item), .oneOrMore(let item): item
    default: shape
    }
  }

  /// What stands for the value in the help.
  package var valueName: String {
    switch item {
    case .text: "text"
    case .path, .channel: "path"
    case .script: "file"
    case .number: "n"
    case .size, .diskSize: "size"
    case .guid: "guid"
    case .object(let fields): Self.words(fields)
    default: "name"
    }
  }

  /// `source:target[:mode]`
  private static func words(_ fields: [SpecField]) -> String {
    let needed = fields.filter(\.isRequired).map { kebabCase($0.name) }.joined(separator: ":")
    let others = fields.filter { !$0.isRequired }.map { "[:\(kebabCase($0.name))" }
    return needed + others.joined() + String(repeating: "]", count: others.count)
  }

  /// One value as a spec has it. Scripts are files here, and read by the caller.
  ///
  /// - Throws: `SpecError` when the value is none of the flag's.
  package func value(_ text: String) throws(SpecError) -> SpecValue {
    let value: SpecValue
    switch item {
    case .number: value = UInt64(text).map(SpecValue.number) ?? .text(text)
    case .object(let fields): value = try entry(text, fields)
    default: value = .text(text)
    }
    // The reader judges it now, so that the message names the flag.
    let whole = SpecValue.null.setting(path[...], to: isRepeated ? .list([value]) : value)
    _ = try ImageSpec(whole)
    return value
  }

  /// `source:target:mode`: fields in their order, empty ones left out. Values with a colon need the JSON form.
  private func entry(_ text: String, _ fields: [SpecField]) throws(SpecError) -> SpecValue {
    let words = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    guard words.count <= fields.count else {
      throw SpecError(
        path[0], "'\(text)' has \(words.count) words",
        remedy: "Write \(valueName); a value with a colon needs a spec file")
    }
    let given = zip(fields, words).filter { !$0.1.isEmpty }.map { ($0.0.name, SpecValue.text($0.1)) }
    return .object(Dictionary(uniqueKeysWithValues: given))
  }
}

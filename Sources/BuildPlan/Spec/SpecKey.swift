/// What the keys of a spec are about; a part of the help.
package enum SpecGroup: String, CaseIterable, Sendable {
  case system = "System"
  case disk = "Disk"
  case partitions = "Partitions and filesystems"
  case contents = "Contents"
  case firmware = "Firmware and EFI variables"
  case secureBoot = "Secure Boot"
  case machine = "Machine"
  case output = "Output"
  case hooks = "Hooks"

  /// The heading.
  package var title: String { rawValue }
}

/// What a build takes for a key that is not given.
package enum SpecDefault: Hashable, Sendable {
  /// This value, in every build.
  case value(SpecValue)
  /// A value that depends on other keys, in words.
  case words(String)

  /// For people.
  package var text: String {
    switch self {
    case .words(let text), .value(.text(let text)): text
    case .value(.number(let number)): "\(number)"
    case .value(.flag(let flag)): flag ? "yes" : "no"
    case .value: ""
    }
  }
}

/// A key of the spec. From `all` follow the reader, the flags and their help, the JSON Schema, the manual page and the table
/// of docs/reference.md.
package struct SpecKey: Sendable {
  package let name: String
  package let group: SpecGroup
  package let shape: SpecShape
  /// What it is for, in one sentence or two of plain text.
  package let help: String
  /// What the reference says on top of that, in Markdown.
  package let details: String
  package let standard: SpecDefault?
  /// The flag's name without its dashes; nil when each field has a flag, and for a short form.
  package let flagName: String?
  /// The key with a list that this one is short for, where the list has one item. The flag is that key's, as it may be given again.
  package let shortFor: String?

  let read: @Sendable (SpecReader, inout ImageSpec) throws(SpecError) -> Void
  let override: @Sendable (ImageSpec, inout ImageSpec) -> Void
  let decode: @Sendable (KeyedDecodingContainer<ImageSpec.CodingName>, inout ImageSpec) throws -> Void
  let encode: @Sendable (ImageSpec, inout KeyedEncodingContainer<ImageSpec.CodingName>) throws -> Void

  /// Describes a key.
  ///
  /// - Parameters:
  ///   - flag: the flag's name, when it is not the key's in kebab case.
  ///   - shortFor: the key with a list, for one that is short for a list of one item.
  ///   - merge: what becomes of a file's value and a flag's; the flag's unless it is given.
  init<Value: Codable & Sendable>(
    _ name: String, _ place: any WritableKeyPath<ImageSpec, Value?> & Sendable, _ type: SpecType<Value>,
    _ group: SpecGroup, default standard: SpecDefault? = nil, flag: String? = nil,
    shortFor: String? = nil, _ help: String, details: String = "",
    merge: @escaping @Sendable (Value, Value) -> Value = { $1 }
  ) {
    self.name = name
    self.group = group
    shape = type.shape
    self.help = help
    self.details = details
    self.standard = standard
    self.shortFor = shortFor
    var hasFlag = shortFor == nil
    if case .object = type.shape { hasFlag = false }
    flagName = hasFlag ? flag ?? kebabCase(name) : nil
    read = { value, spec throws(SpecError) in spec[keyPath: place] = try type.read(value) }
    override = { other, spec in
      guard let value = other[keyPath: place] else { return }
      spec[keyPath: place] = spec[keyPath: place].map { merge($0, value) } ?? value
    }
    decode = { container, spec in
      guard let value = try container.decodeIfPresent(Value.self, forKey: .init(name)) else { return }
      spec[keyPath: place] = value
    }
    encode = { spec, container in
      try container.encodeIfPresent(spec[keyPath: place], forKey: .init(name))
    }
  }
}

/// How a value is read, and what it looks like.
struct SpecType<Value>: Sendable {
  let shape: SpecShape
  let read: @Sendable (SpecReader) throws(SpecError) -> Value

  init(_ shape: SpecShape, _ read: @escaping @Sendable (SpecReader) throws(SpecError) -> Value) {
    self.shape = shape
    self.read = read
  }

  static func list<Item>(of item: SpecType<Item>) -> Self where Value == [Item] {
    Self(.list(item.shape)) { value throws(SpecError) in try value.list(item.read) }
  }

  /// One value, or a list of them.
  static func oneOrMore<Item>(_ item: SpecType<Item>) -> Self where Value == [Item] {
    Self(.oneOrMore(item.shape)) { value throws(SpecError) in try value.oneOrMore(item.read) }
  }
}

extension SpecType where Value: RawRepresentable<String> & CaseIterable & SendableMetatype {
  static var choice: Self {
    Self(.choice(Value.allCases.map(\.rawValue))) { value throws(SpecError) in try value.choice() }
  }
}

/// `touchEFIVars` as `touch-efi-vars`: a dash in front of each word, and of each abbreviation as a whole.
func kebabCase(_ name: String) -> String {
  let letters = Array(name)
  var text = ""
  for (index, letter) in letters.enumerated() {
    let endsAbbreviation = index + 1 < letters.count && letters[index + 1].isLowercase
    if index > 0, letter.isUppercase, letters[index - 1].isLowercase || endsAbbreviation { text += "-" }
    text += letter.lowercased()
  }
  return text
}

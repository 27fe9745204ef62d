internal import ArgumentParser
internal import BuildPlan

/// A group of the spec's keys, as a type.
protocol SpecFlagGroup: Sendable {
  static var group: SpecGroup { get }
}

/// The flags of a group of keys. The parser looks for option wrappers by reflection: these are made from the table of keys,
/// and the mirror shows them in the place of properties.
struct SpecFlags<Group: SpecFlagGroup>: ParsableArguments, CustomReflectable {
  /// What was given.
  private(set) var given: [(flag: SpecFlag, value: SpecValue)] = []

  private struct Name: CodingKey {
    var stringValue: String
    var intValue: Int? { nil }

    init(_ flag: SpecFlag) { stringValue = flag.name }
    init?(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  private static var flags: [SpecFlag] { SpecFlag.all.filter { $0.group == Group.group } }

  init() {}

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Name.self)
    for flag in Self.flags {
      let values: [SpecValue]
      if flag.shape == .flag {
        values =
          try container.decode(Flag<Bool?>.self, forKey: Name(flag)).wrappedValue.map { [.flag($0)] } ?? []
      } else {
        values = try container.decode(Option<[SpecValue]>.self, forKey: Name(flag)).wrappedValue
      }
      guard let last = values.last else { continue }
      given.append((flag, flag.isRepeated ? .list(values) : last))
    }
  }

  var customMirror: Mirror {
    Mirror(self, children: Self.flags.map { ($0.name, Self.definition(of: $0)) }, displayStyle: .struct)
  }

  private static func definition(of flag: SpecFlag) -> Any {
    let name = NameSpecification.customLong(flag.name)
    let help = ArgumentHelp(flag.help, valueName: flag.valueName)
    if flag.shape == .flag { return Flag<Bool?>(name: name, inversion: .prefixedNo, help: help) }
    // Arguments for another program begin with a dash.
    return Option<[SpecValue]>(
      wrappedValue: [], name: name,
      parsing: flag.shape == .list(.text) ? .unconditionalSingleValue : .singleValue, help: help,
      completion: flag.completion, transform: flag.value)
  }
}

extension SpecFlag {
  /// What a shell completes the value by.
  fileprivate var completion: CompletionKind? {
    switch item {
    case .path, .channel, .script: .file()
    case .choice(let choices): .list(choices)
    default: nil
    }
  }
}

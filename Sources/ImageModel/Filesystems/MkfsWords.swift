package import Basics

/// The words of a user for the tool that makes a filesystem, taken apart as getopt(3) does it.
///
/// What the plan fixes, such as the UUID, has keys of its own; a word that says otherwise would win or lose by its place
/// on the command line. So such words are faults, and those that share an option with words of Slipway's own are merged.
package struct MkfsWords: Sendable {
  /// An option, with its value if it takes one.
  package struct Option: Hashable, Sendable {
    /// With its dashes.
    package var name: String
    package var value: String?
  }

  /// In their order.
  package let options: [Option]
  private let tool: MkfsGrammar?
  private let words: [String]

  /// Takes words apart; those for a tool that is not known stay as they are.
  ///
  /// - Throws: `Fault` for a word that is no option, or that says what the plan says.
  package init(_ words: [String], for kind: FilesystemKind) throws(Fault) {
    self.words = words
    tool = kind.writable?.grammar
    options = try tool.map { tool throws(Fault) in try tool.parse(words) } ?? []
    guard let tool else { return }
    for option in options { try tool.check(option) }
  }

  /// The values of an option that Slipway merges with its own, such as `-E` of `mke2fs`; in their order.
  package func values(of name: String) -> [String] {
    options.filter { $0.name == name }.compactMap(\.value)
  }

  /// Whether one of these options is given.
  package func has(_ names: String...) -> Bool {
    options.contains { names.contains($0.name) }
  }

  /// The words for the command line, without the options that are merged.
  package func words(without merged: Set<String> = []) -> [String] {
    guard tool != nil else { return words }
    return options.filter { !merged.contains($0.name) }.flatMap { option -> [String] in
      guard let value = option.value else { return [option.name] }
      return option.name.hasPrefix("--") ? ["\(option.name)=\(value)"] : [option.name, value]
    }
  }
}

/// What is known of the options of a tool that makes filesystems.
package struct MkfsGrammar: Sendable {
  fileprivate let name: String
  /// Short options with a value, by the tool's own getopt string.
  fileprivate let valued: Set<Character>
  /// Long options with a value.
  fileprivate let longValued: Set<String>
  /// Options, or `option:suboption`, that say what the plan says, and the key that says it.
  fileprivate let fixed: [String: String]
  /// Options with which the tool makes nothing.
  fileprivate let idle: Set<String>

  init(_ name: String, _ valued: String, long: Set<String> = [], fixed: [String: String], idle: Set<String>) {
    self.name = name
    self.valued = Set(valued)
    longValued = long
    self.fixed = fixed
    self.idle = idle
  }

  /// The usual options that give UUID and label.
  static let identity = ["-U": "rootFSUID", "-L": "label", "--uuid": "rootFSUID", "--label": "label"]
}

extension MkfsGrammar {
  fileprivate func parse(_ words: [String]) throws(Fault) -> [MkfsWords.Option] {
    var options: [MkfsWords.Option] = []
    var rest = words[...]
    while let word = rest.popFirst() {
      if word.hasPrefix("--"), word.count > 2 {
        options.append(try long(word, &rest))
      } else if word.hasPrefix("-"), word.count > 1, word != "--" {
        options += try short(word.dropFirst(), &rest)
      } else {
        throw Fault(
          .badInput, "'\(word)' is not an option of \(name); the device is Slipway's to name",
          remedy: "Give options only, each word as a separate string")
      }
    }
    return options
  }

  private func long(_ word: String, _ rest: inout ArraySlice<String>) throws(Fault)
    -> MkfsWords.Option
  {
    if let equals = word.firstIndex(of: "=") {
      return MkfsWords.Option(
        name: String(word[..<equals]), value: String(word[word.index(after: equals)...]))
    }
    return MkfsWords.Option(name: word, value: longValued.contains(word) ? try value(of: word, &rest) : nil)
  }

  /// `-qFb4096` is `-q`, `-F`, `-b 4096`.
  private func short(_ letters: Substring, _ rest: inout ArraySlice<String>) throws(Fault)
    -> [MkfsWords.Option]
  {
    var options: [MkfsWords.Option] = []
    var letters = letters
    while let letter = letters.popFirst() {
      guard valued.contains(letter) else {
        options.append(MkfsWords.Option(name: "-\(letter)"))
        continue
      }
      let value = letters.isEmpty ? try value(of: "-\(letter)", &rest) : String(letters)
      options.append(MkfsWords.Option(name: "-\(letter)", value: value))
      letters = ""
    }
    return options
  }

  private func value(of option: String, _ rest: inout ArraySlice<String>) throws(Fault) -> String {
    guard let value = rest.popFirst() else {
      throw Fault(
        .badInput, "the option \(option) of \(name) needs a value",
        remedy: "Give the value as the next text, or leave the option out")
    }
    return value
  }

  fileprivate func check(_ option: MkfsWords.Option) throws(Fault) {
    guard !idle.contains(option.name) else {
      throw Fault(
        .badInput, "with \(option.name) \(name) makes no filesystem", remedy: "Leave it out")
    }
    // `-E a=1,b` has the suboptions `a` and `b`.
    let parts = (option.value ?? "").split(separator: ",").map { part in
      "\(option.name):\(part.prefix { $0 != "=" })"
    }
    for said in [option.name] + parts {
      guard let key = fixed[said] else { continue }
      let words = said.split(separator: ":").joined(separator: " ")
      throw Fault(
        .badInput, "'\(words)' of \(name) says what the plan says already",
        remedy: "Leave it out, and use \(key)")
    }
  }
}

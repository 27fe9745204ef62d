/// How two stores differ, by variable; each list is in the order of the canonical form.
package struct StoreDifference: Hashable, Sendable {
  /// A variable with the same key and anything else different.
  package struct Change: Hashable, Sendable {
    package var old: Variable
    package var new: Variable
  }

  package var added: [Variable]
  package var changed: [Change]
  package var removed: [Variable]

  package var isEmpty: Bool { added.isEmpty && changed.isEmpty && removed.isEmpty }

  /// What has to happen to the first store to make it the second.
  package init(from old: VariableStore, to new: VariableStore) {
    let before = Dictionary(old.variables.map { ($0.key, $0) }) { first, _ in first }
    let after = Dictionary(new.variables.map { ($0.key, $0) }) { first, _ in first }
    added = after.values.filter { before[$0.key] == nil }.sorted { $0.key < $1.key }
    removed = before.values.filter { after[$0.key] == nil }.sorted { $0.key < $1.key }
    changed = before.values.sorted { $0.key < $1.key }.compactMap { old in
      guard let new = after[old.key], new != old else { return nil }
      return Change(old: old, new: new)
    }
  }
}

extension StoreDifference {
  /// A line a variable, sorted: `+` added, `-` removed, `~` changed; values decoded.
  package var lines: [String] {
    let added = added.map { ($0.key, "+ \(name($0))  \($0.text)") }
    let removed = removed.map { ($0.key, "- \(name($0))  \($0.text)") }
    let changed = changed.map { ($0.new.key, "~ \(name($0.new))  \(Self.text($0))") }
    return (added + removed + changed).sorted { $0.0 < $1.0 }.map(\.1)
  }

  private func name(_ variable: Variable) -> String { printable(variable.key.description) }

  /// What is different: values that read alike are told apart by what else a variable has.
  package static func text(_ change: Change) -> String {
    let (old, new) = (change.old.text, change.new.text)
    if old != new { return "\(old) → \(new)" }
    if change.old.data != change.new.data { return "\(old), with other bytes" }
    return "\(old) \(details(change.old)) → \(details(change.new))"
  }

  private static func details(_ variable: Variable) -> String {
    var details = [variable.attributes.description]
    if variable.time != .zero { details.append(variable.time.description) }
    if variable.monotonicCount != 0 { details.append("count \(variable.monotonicCount)") }
    if variable.publicKeyIndex != 0 { details.append("key \(variable.publicKeyIndex)") }
    return "(\(details.joined(separator: ", ")))"
  }
}

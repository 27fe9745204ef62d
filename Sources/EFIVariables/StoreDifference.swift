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

internal import Basics
internal import EFIVariables

/// Compares two variable stores by their variables and fields.
struct StoreComparison {
  let list: DifferenceList
  static let region = "EFI variables"

  func compare(_ left: VariableStore, _ right: VariableStore) {
    let difference = StoreDifference(from: left, to: right)
    for variable in difference.removed {
      list.add(Self.region, "\(variable.key)", "variable", variable.text, nil)
    }
    for variable in difference.added {
      list.add(Self.region, "\(variable.key)", "variable", nil, variable.text)
    }
    for change in difference.changed { compare(change) }
  }

  private func compare(_ change: StoreDifference.Change) {
    let (old, new) = (change.old, change.new)
    func add(_ field: String, _ left: String, _ right: String) {
      list.add(Self.region, "\(new.key)", field, left, right)
    }
    if old.data != new.data {
      let isTold = old.text != new.text
      add(
        "value", isTold ? old.text : Hexadecimal.text(old.data),
        isTold ? new.text : Hexadecimal.text(new.data))
    }
    if old.attributes != new.attributes { add("attributes", "\(old.attributes)", "\(new.attributes)") }
    if old.time != new.time { add("time", "\(old.time)", "\(new.time)") }
    if old.monotonicCount != new.monotonicCount {
      add("count", "\(old.monotonicCount)", "\(new.monotonicCount)")
    }
    if old.publicKeyIndex != new.publicKeyIndex {
      add("key index", "\(old.publicKeyIndex)", "\(new.publicKeyIndex)")
    }
  }
}

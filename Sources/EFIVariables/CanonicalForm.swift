internal import ImageModel

extension VariableStore {
  /// The store in its canonical form: equal variables make equal bytes, whatever a firmware did to get there.
  ///
  /// Sorted by vendor and name; without `VarErrorFlag`, the firmware's note that a store was once full; and
  /// with the `MTC`, which the firmware raises at each boot, at 1.
  package func canonical() -> VariableStore {
    var kept = variables.filter { $0.key != .errorFlag }.sorted { $0.key < $1.key }
    if let index = kept.firstIndex(where: { $0.key == .monotonicCounter }) {
      kept[index].data = [1, 0, 0, 0]
    }
    var store = VariableStore(emptyLike: self)
    store.replaceVariables(with: kept)
    return store
  }
}

extension VariableKey {
  /// The high half of the firmware's monotonic counter (edk2's `MdeModulePkg/Include/Guid/MtcVendor.h`).
  package static let monotonicCounter = VariableKey(
    GUID(high: 0xeb70_4011_1402_11d3, low: 0x8e77_00a0_c969_723b), VariableName(known: "MTC"))
  /// What went wrong at writing variables (edk2's `MdeModulePkg/Include/Guid/VarErrorFlag.h`).
  package static let errorFlag = VariableKey(
    GUID(high: 0x04b3_7fe8_f6ae_480b, low: 0xbdd5_37d9_8c5e_89aa), VariableName(known: "VarErrorFlag"))
}

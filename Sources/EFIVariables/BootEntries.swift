package import Basics
internal import ImageModel

extension VariableStore {
  /// The numbers of `BootOrder`; none when there is no such variable.
  ///
  /// - Throws: `EFIFault` when it is malformed.
  package func bootOrder() throws(EFIFault) -> [UInt16] {
    guard let variable = self[.bootOrder], case .order(let numbers) = try VariableValue(of: variable) else {
      return []
    }
    return numbers
  }

  /// The load option `Boot####`; nil when there is none.
  ///
  /// - Throws: `EFIFault` when it is malformed.
  package func bootOption(_ number: UInt16) throws(EFIFault) -> LoadOption? {
    guard let variable = self[.boot(number)], case .loadOption(let option) = try VariableValue(of: variable)
    else { return nil }
    return option
  }

  /// Makes the firmware start an entry once, at its next boot.
  ///
  /// - Parameter entry: a number of four hexadecimal digits, `Boot####`, or the description of one entry.
  /// - Returns: its number.
  /// - Throws: `Fault` when there is no such entry, or several.
  package mutating func bootNext(_ entry: String) throws(Fault) -> UInt16 {
    let number = try bootNumber(of: entry)
    // Two bytes of data with a key that is fixed: nothing here can be refused.
    replace(Variable(.bootNext, .standard, VariableValue.number(number).data))
    return number
  }

  private func bootNumber(of entry: String) throws(Fault) -> UInt16 {
    let digits = entry.hasPrefix("Boot") ? entry.dropFirst("Boot".count) : entry[...]
    if let number = VariableKey.number(digits: digits) {
      guard self[.boot(number)] != nil else {
        throw Fault(unclear: "there is no \(VariableKey.boot(number).name)")
      }
      return number
    }
    let numbers = variables.compactMap(\.key.bootNumber).sorted().filter { number in
      (try? bootOption(number))?.description == entry
    }
    guard let number = numbers.first else {
      throw Fault(unclear: "no boot entry is called '\(printable(entry))'")
    }
    guard numbers.count == 1 else {
      let names = numbers.map { VariableKey.boot($0).name.description }.joined(separator: ", ")
      throw Fault(unclear: "several boot entries are called '\(printable(entry))': \(names)")
    }
    return number
  }
}

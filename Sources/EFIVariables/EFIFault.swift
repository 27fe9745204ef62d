/// What is wrong with a variable store, or with the value of a variable.
///
/// It is no `Fault`, as only who reads knows of which file it is, and who must act: stores are told with the place, values
/// and certificates without.
package struct EFIFault: Error, Hashable, Sendable {
  /// Where it is wrong, in bytes from the beginning of the store, or of the value.
  package var offset: Int
  /// What is wrong there.
  package var reason: String

  package init(at offset: Int, _ reason: String) {
    self.offset = offset
    self.reason = reason
  }
}

extension EFIFault: CustomStringConvertible {
  package var description: String { "at \(hex(offset)): \(reason)" }
}

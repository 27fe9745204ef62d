package import Basics

/// UEFI code and the template of the variable store that goes with it.
public struct FirmwarePair: Hashable, Codable, Sendable {
  /// The read-only code, a flash image: raw or qcow2.
  public var code: String
  /// What each new variable store is a copy of, a flash image: raw or qcow2.
  public var variablesTemplate: String
  /// Whether the code hangs without system management mode (SMM), silently, as Secure Boot builds do.
  public var requiresSMM: Bool
  /// Whether the code implements Secure Boot.
  public var secureBoot: Bool
  /// Whether the template has Secure Boot turned on, so that only signed bootloaders run; false when that
  /// is not known.
  public var enrolledKeys: Bool
  /// What it is, for people: the descriptor's words, or what was assumed without one.
  public var description: String

  /// Describes a pair.
  public init(
    code: String, variablesTemplate: String, requiresSMM: Bool, secureBoot: Bool,
    enrolledKeys: Bool = false, description: String = ""
  ) {
    self.code = code
    self.variablesTemplate = variablesTemplate
    self.requiresSMM = requiresSMM
    self.secureBoot = secureBoot
    self.enrolledKeys = enrolledKeys
    self.description = description
  }
}

extension FirmwarePair {
  /// Refuses code and variables of different builds.
  ///
  /// edk2 cuts one flash image of 1, 2 or 4 MiB in two. Firmware that is given another build's store boots
  /// nevertheless, and keeps no variable at all.
  ///
  /// - Parameters:
  ///   - codeSize: the code's size, in bytes.
  ///   - variablesSize: the template's size, in bytes.
  /// - Throws: `Fault` when the two do not make one flash image.
  package func checkSizes(code codeSize: UInt64, variables variablesSize: UInt64) throws(Fault) {
    let (flash, overflow) = codeSize.addingReportingOverflow(variablesSize)
    guard !overflow, flash >= 1 << 20, flash.nonzeroBitCount == 1 else {
      throw Fault(
        .hostNotAble,
        "\(code) (\(codeSize) bytes) and \(variablesTemplate) (\(variablesSize) bytes) are not two parts of "
          + "one flash image: together they are not 1, 2 or 4 MiB, and no variable would be kept",
        remedy: "Name the template that was built with the code")
    }
  }
}

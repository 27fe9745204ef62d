internal import Basics
internal import ImageModel

/// One variable, with everything that an authenticated store keeps of it.
package struct Variable: Hashable, Sendable {
  package var key: VariableKey
  package var attributes: VariableAttributes
  package var data: [UInt8]
  /// When it was signed; zero unless it is written with time-based authentication.
  package var time: EFITime
  /// The count of the older, deprecated authentication.
  package var monotonicCount: UInt64
  /// The key of the older, deprecated authentication.
  package var publicKeyIndex: UInt32

  package init(
    _ key: VariableKey, _ attributes: VariableAttributes, _ data: [UInt8], time: EFITime = .zero,
    monotonicCount: UInt64 = 0, publicKeyIndex: UInt32 = 0
  ) {
    self.key = key
    self.attributes = attributes
    self.data = data
    self.time = time
    self.monotonicCount = monotonicCount
    self.publicKeyIndex = publicKeyIndex
  }
}

/// Who may read and write a variable, and how long it lives (UEFI 2.10, 8.2.1).
package struct VariableAttributes: OptionSet, Hashable, Sendable {
  package let rawValue: UInt32

  package init(rawValue: UInt32) {
    self.rawValue = rawValue
  }

  package static let nonVolatile = Self(rawValue: 0x01)
  package static let bootServiceAccess = Self(rawValue: 0x02)
  package static let runtimeAccess = Self(rawValue: 0x04)
  package static let hardwareErrorRecord = Self(rawValue: 0x08)
  package static let authenticatedWriteAccess = Self(rawValue: 0x10)
  package static let timeBasedAuthenticatedWriteAccess = Self(rawValue: 0x20)
  package static let appendWrite = Self(rawValue: 0x40)

  /// What boot entries and an operating system's own variables have.
  package static let standard: Self = [.nonVolatile, .bootServiceAccess, .runtimeAccess]
  /// What PK, KEK, db and dbx have.
  package static let signatureDatabase: Self = [.standard, .timeBasedAuthenticatedWriteAccess]
}

/// `EFI_TIME` (UEFI 2.10, 8.3), kept as its sixteen bytes so that nothing in it is lost.
package struct EFITime: Hashable, Sendable {
  package let bytes: [UInt8]

  /// What variables without a time have.
  package static let zero = EFITime(fields: Array(repeating: 0, count: 16))

  private init(fields: [UInt8]) {
    bytes = fields
  }

  /// Nil unless there are sixteen bytes.
  package init?(bytes: [UInt8]) {
    guard bytes.count == 16 else { return nil }
    self.init(fields: bytes)
  }

  /// A time in UTC, as authenticated variables need it (UEFI 2.10, 8.2.2).
  package init(
    year: UInt16, month: UInt8, day: UInt8, hour: UInt8 = 0, minute: UInt8 = 0, second: UInt8 = 0
  ) {
    var fields: [UInt8] = []
    fields.append(littleEndian: year)
    self.init(fields: fields + [month, day, hour, minute, second] + Array(repeating: 0, count: 9))
  }

  package var year: UInt16 { bytes.littleEndian(UInt16.self, at: 0) }
}

extension EFITime: CustomStringConvertible {
  package var description: String {
    let fields = bytes[2..<7].map { $0 < 10 ? "0\($0)" : "\($0)" }
    return "\(year)-\(fields[0])-\(fields[1]) \(fields[2]):\(fields[3]):\(fields[4])"
  }
}

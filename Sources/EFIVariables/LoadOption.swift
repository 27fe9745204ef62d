internal import Basics

/// `EFI_LOAD_OPTION`: what a `Boot####` or `Driver####` starts (UEFI 2.10, 3.1.3).
package struct LoadOption: Hashable, Sendable {
  package var attributes: Attributes
  /// The text that a boot menu shows.
  package var description: String
  /// The path of what is started; more may follow, for the one who is started.
  package var paths: [DevicePath]
  /// What is handed to the one who is started.
  package var optionalData: [UInt8]

  package struct Attributes: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) {
      self.rawValue = rawValue
    }

    package static let active = Self(rawValue: 0x001)
    package static let forceReconnect = Self(rawValue: 0x002)
    package static let hidden = Self(rawValue: 0x008)
    package static let application = Self(rawValue: 0x100)
  }

  package init(
    _ description: String, _ paths: [DevicePath], attributes: Attributes = .active, optionalData: [UInt8] = []
  ) {
    self.attributes = attributes
    self.description = description
    self.paths = paths
    self.optionalData = optionalData
  }

  /// - Throws: `EFIFault` with an offset in the data.
  package init(reading data: [UInt8]) throws(EFIFault) {
    var reader = ByteReader(data)
    attributes = Attributes(rawValue: try reader.integer(UInt32.self, "the option's attributes"))
    let size = Int(try reader.integer(UInt16.self, "the size of the option's paths"))
    description = try reader.terminatedText("the option's description")
    guard size <= reader.remaining else {
      throw EFIFault(at: 4, "the option's paths have \(size) bytes, and \(reader.remaining) are left")
    }
    var list = ByteReader(data, from: reader.offset, to: reader.offset + size)
    paths = []
    while !list.isAtEnd { paths.append(try DevicePath(&list)) }
    var behind = ByteReader(data, from: list.offset)
    optionalData = behind.rest()
  }

  /// The bytes to store.
  ///
  /// The size of the paths has 16 bits; paths that are longer than that make an option that cannot be read.
  package var data: [UInt8] {
    let list = paths.flatMap(\.data)
    var bytes: [UInt8] = []
    bytes.append(littleEndian: attributes.rawValue)
    bytes.append(littleEndian: UInt16(truncatingIfNeeded: list.count))
    bytes.append(terminated: description)
    return bytes + list + optionalData
  }
}

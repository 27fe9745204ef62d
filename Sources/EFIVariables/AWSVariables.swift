internal import Basics
internal import FoundationEssentials
internal import ImageModel

/// The variables of an EC2 instance, as EC2's API has them in `UefiData`.
///
/// Base64 of "AMZNUEFI", a CRC-32C of what follows it, a version, and compressed variables; all numbers are
/// little-endian (`pyuefivars/aws.py` of awslabs' python-uefivars).
package struct AWSVariables: Sendable {
  /// The checksum of the preset dictionary without which the variables cannot be read; nil when they need none.
  package let dictionaryChecksum: UInt32?
  private let compressed: [UInt8]

  private static let magic = Array("AMZNUEFI".utf8)
  private static let headerSize = 16
  /// What the variables may take, compressed or not; stores of firmware have 256 KiB for them.
  private static let limit = 16 << 20

  /// Reads what is around the variables.
  ///
  /// - Parameter text: base64, with any white space.
  /// - Throws: `EFIFault` with the offset in what the base64 stands for.
  package init(reading text: [UInt8]) throws(EFIFault) {
    let white = Set(" \t\r\n".utf8)
    guard text.count <= 2 * Self.limit,
      let data = Data(base64Encoded: Data(text.filter { !white.contains($0) }))
    else { throw EFIFault(at: 0, "it is not base64") }
    var reader = ByteReader(Array(data))
    guard try reader.take(Self.magic.count, "the mark") == Self.magic else {
      throw EFIFault(at: 0, "it does not begin with AMZNUEFI")
    }
    let sum = try reader.integer(UInt32.self, "the checksum")
    guard crc32C(data.dropFirst(reader.offset)) == sum else {
      throw EFIFault(at: 8, "the checksum is wrong: something was changed, or not copied")
    }
    let version = try reader.integer(UInt32.self, "the version")
    guard version == 0 else { throw EFIFault(at: 12, "version \(version) is not known; 0 is") }
    compressed = reader.rest()
    dictionaryChecksum = Zlib.dictionaryChecksum(of: compressed)
  }

  /// - Parameter dictionary: the preset dictionary; unused when none is needed.
  /// - Throws: `EFIFault`.
  package func variables(dictionary: [UInt8]?) throws(EFIFault) -> [Variable] {
    let content: [UInt8]
    do {
      content = try Zlib.uncompress(compressed, dictionary: dictionary, limit: Self.limit)
    } catch {
      throw EFIFault(at: Self.headerSize + error.offset, error.reason)
    }
    do {
      return try Self.variables(in: content)
    } catch {
      throw EFIFault(at: error.offset, "of what is unpacked, \(error.reason)")
    }
  }

  /// - Parameter dictionary: what to compress with; nil for a result that every reader of zlib's format can read.
  /// - Throws: `EFIFault`.
  package static func encode(_ variables: [Variable], dictionary: [UInt8]?) throws(EFIFault) -> [UInt8] {
    var checked: [UInt8] = []
    checked.append(littleEndian: UInt32(0))
    checked += try Zlib.compress(content(variables), dictionary: dictionary)
    var bytes = magic
    bytes.append(littleEndian: crc32C(checked))
    return Array(Data(bytes + checked).base64EncodedData())
  }
}

extension AWSVariables {
  /// The variables as they are before they are compressed.
  static func content(_ variables: [Variable]) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(littleEndian: UInt64(variables.count))
    for variable in variables {
      bytes.append(counted: Array(variable.key.name.description.utf8))
      bytes.append(counted: variable.data)
      bytes += variable.key.vendor.littleEndianBytes
      bytes.append(littleEndian: variable.attributes.rawValue)
      guard variable.attributes.contains(.timeBasedAuthenticatedWriteAccess) else { continue }
      bytes += variable.time.bytes
      bytes.append(counted: [])
    }
    return bytes
  }

  /// - Throws: `EFIFault`, also for a key that is there twice.
  static func variables(in content: [UInt8]) throws(EFIFault) -> [Variable] {
    var reader = ByteReader(content)
    let count = try reader.integer(UInt64.self, "the number of variables")
    var variables: [Variable] = []
    var keys: Set<VariableKey> = []
    while variables.count < count {
      let offset = reader.offset
      let variable = try variable(&reader)
      guard keys.insert(variable.key).inserted else {
        throw EFIFault(at: offset, "\(variable.key) is there twice")
      }
      variables.append(variable)
    }
    guard reader.isAtEnd else { throw EFIFault(at: reader.offset, "something follows the last variable") }
    return variables
  }

  private static func variable(_ reader: inout ByteReader) throws(EFIFault) -> Variable {
    let offset = reader.offset
    let units = try reader.counted("the name of a variable")
    guard let text = String(validating: units, as: UTF8.self), let name = VariableName(text) else {
      throw EFIFault(at: offset, "this cannot be the name of a variable")
    }
    let data = try reader.counted("the variable \(name)")
    guard !data.isEmpty else { throw EFIFault(at: offset, "the variable \(name) has no data") }
    let key = VariableKey(try reader.guid("a variable's vendor"), name)
    let attributes = VariableAttributes(rawValue: try reader.integer(UInt32.self, "a variable's attributes"))
    guard attributes.contains(.timeBasedAuthenticatedWriteAccess) else {
      return Variable(key, attributes, data)
    }
    let time = EFITime(bytes: try reader.take(16, "a variable's time")) ?? .zero
    let place = reader.offset
    let digest = try reader.counted("the digest of a variable's signer")
    guard digest.allSatisfy({ $0 == 0 }) else {
      throw EFIFault(at: place, HypervisorFormat.boundToSigner(key))
    }
    return Variable(key, attributes, data, time: time)
  }
}

extension [UInt8] {
  /// Bytes behind their number.
  fileprivate mutating func append(counted bytes: [UInt8]) {
    append(littleEndian: UInt64(bytes.count))
    self += bytes
  }
}

extension ByteReader {
  /// Bytes behind their number.
  fileprivate mutating func counted(_ field: String) throws(EFIFault) -> [UInt8] {
    try take(Int(clamping: integer(UInt64.self, "the size of \(field)")), field)
  }
}

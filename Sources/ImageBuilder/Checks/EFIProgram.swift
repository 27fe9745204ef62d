internal import Basics
internal import Crypto

/// An EFI program for 64-bit processors, as far as signatures go.
///
/// The offsets are those of a PE32+ file (Microsoft's "PE Format", "Optional Header").
struct EFIProgram: Sendable {
  private let bytes: [UInt8]
  /// Where the checksum is, which a signature leaves out.
  private let checksum: Int
  /// Where the data directory names the table of signatures; nil when the header ends before it.
  private let directory: Int?
  private let headersEnd: Int
  /// What of the file belongs to sections, in its order.
  private let sections: [Range<Int>]
  /// The table of signatures; empty for a program that nobody has signed.
  private let table: Range<Int>

  /// Bytes at the beginning of a file in which the headers that tell a program are, as far as anyone has seen.
  static let headerSize = 4096

  /// Whether a file that begins with these bytes is such a program.
  static func isProgram(_ bytes: [UInt8]) -> Bool { optionalHeader(of: bytes) != nil }

  /// Reads the headers.
  ///
  /// - Throws: `Fault` for a program that no firmware would load; also for what is no program.
  init(_ bytes: [UInt8]) throws(Fault) {
    guard let optional = Self.optionalHeader(of: bytes),
      let headersEnd = bytes.number(optional + 60, 4), let directories = bytes.number(optional + 108, 4)
    else { throw Fault(.failed, "it is not an EFI program for a 64-bit processor") }
    self.bytes = bytes
    self.headersEnd = headersEnd
    checksum = optional + 64
    directory = directories > 4 ? optional + 112 + 4 * 8 : nil
    guard (directory.map { $0 + 8 } ?? checksum + 4) <= headersEnd, headersEnd <= bytes.count else {
      throw Fault(.failed, "its headers do not fit the file")
    }
    sections = try Self.sections(of: bytes, behind: optional)
    let start = directory.flatMap { bytes.number($0, 4) } ?? 0
    let size = directory.flatMap { bytes.number($0 + 4, 4) } ?? 0
    guard size == 0 || start + size <= bytes.count else {
      throw Fault(.failed, "its table of signatures does not fit the file")
    }
    table = size == 0 ? 0..<0 : start..<start + size
    guard headersEnd + sections.reduce(0, { $0 + $1.count }) + size <= bytes.count else {
      throw Fault(.failed, "its sections do not fit the file")
    }
  }

  private static func optionalHeader(of bytes: [UInt8]) -> Int? {
    guard bytes.number(0, 2) == 0x5a4d, let start = bytes.number(0x3c, 4), bytes.number(start, 4) == 0x4550,
      bytes.number(start + 24, 2) == 0x20b
    else { return nil }
    return start + 24
  }

  private static func sections(
    of bytes: [UInt8], behind optional: Int
  ) throws(Fault) -> [Range<Int>] {
    guard let count = bytes.number(optional - 18, 2), let optionalSize = bytes.number(optional - 4, 2) else {
      throw Fault(.failed, "its headers do not fit the file")
    }
    var sections: [Range<Int>] = []
    for index in 0..<count {
      let header = optional + optionalSize + index * 40
      guard let size = bytes.number(header + 16, 4), let start = bytes.number(header + 20, 4),
        size == 0 || start + size <= bytes.count
      else { throw Fault(.failed, "its sections do not fit the file") }
      if size > 0 { sections.append(start..<start + size) }
    }
    return sections.sorted { $0.lowerBound < $1.lowerBound }
  }

  /// The digest that a signature is for: of all but the checksum and the signatures ("Windows Authenticode Portable
  /// Executable Signature Format", "Calculating the PE Image Hash").
  func digest<Hash: HashFunction>(_: Hash.Type = SHA256.self) -> [UInt8] {
    var hash = Hash()
    func add(_ range: Range<Int>) {
      bytes.withUnsafeBytes { hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: $0[range])) }
    }
    add(0..<checksum)
    if let directory {
      add(checksum + 4..<directory)
      add(directory + 8..<headersEnd)
    } else {
      add(checksum + 4..<headersEnd)
    }
    sections.forEach(add)
    let end = headersEnd + sections.reduce(0) { $0 + $1.count }
    add(end..<bytes.count - table.count)
    return Array(hash.finalize())
  }

  /// The PKCS #7 signatures, in their order.
  ///
  /// - Throws: `Fault` for a damaged table.
  func signatures() throws(Fault) -> [[UInt8]] {
    var signatures: [[UInt8]] = []
    var place = table.lowerBound
    while place + 8 <= table.upperBound {
      guard let size = bytes.number(place, 4), let kind = bytes.number(place + 6, 2), size > 8,
        place + size <= table.upperBound
      else { throw Fault(.failed, "its table of signatures is damaged") }
      // WIN_CERT_TYPE_PKCS_SIGNED_DATA (UEFI 2.10, 32.2.4).
      if kind == 2 { signatures.append(Array(bytes[place + 8..<place + size])) }
      // Each begins at a multiple of eight bytes.
      place += (size + 7) / 8 * 8
    }
    return signatures
  }
}

extension [UInt8] {
  /// A little-endian number; nil where the bytes end before it.
  fileprivate func number(_ offset: Int, _ size: Int) -> Int? {
    guard offset >= 0, offset + size <= count else { return nil }
    return self[offset..<offset + size].reversed().reduce(0) { $0 << 8 | Int($1) }
  }
}

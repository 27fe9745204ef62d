internal import Basics

/// The sections of an EFI program, by their names (Microsoft's "PE Format", "Section Table"): those of a unified kernel image
/// (UAPI.5) are its kernel, its initrd and its command line.
struct EFISections {
  struct Section: Hashable {
    var name: String
    /// Bytes of its content.
    var size: UInt64
    fileprivate var offset: UInt64
  }

  private(set) var sections: [Section] = []
  private let read: (_ count: Int, _ offset: UInt64) throws -> [UInt8]

  /// Windows loads no more (`IMAGE_FILE_HEADER.NumberOfSections`).
  private static let most = 96

  /// - Parameter read: gives fewer bytes at the end of the file, and none past it.
  /// - Returns: nil for what is no such program.
  /// - Throws: what `read` throws.
  init?(_ read: @escaping (_ count: Int, _ offset: UInt64) throws -> [UInt8]) throws {
    self.read = read
    let start = try read(64, 0)
    let place = start.littleEndian(at: 0x3c, 4)
    let header = try start.starts(with: [0x4d, 0x5a]) ? read(24, place) : []
    guard header.starts(with: [0x50, 0x45, 0, 0]) else { return nil }
    let count = min(Int(header.littleEndian(at: 6, 2)), Self.most)
    let table = try read(count * 40, place + 24 + header.littleEndian(at: 20, 2))
    guard table.count == count * 40 else { return nil }
    sections = stride(from: 0, to: table.count, by: 40).map { entry in
      let name = table[entry..<entry + 8].prefix { $0 != 0 }
      let (used, stored) = (table.littleEndian(at: entry + 8, 4), table.littleEndian(at: entry + 16, 4))
      // What is stored is filled up to a whole unit of the file.
      return Section(
        name: String(decoding: name, as: UTF8.self), size: used == 0 ? stored : min(used, stored),
        offset: table.littleEndian(at: entry + 20, 4))
    }
  }

  /// The text of a section, without what follows a zero.
  ///
  /// - Returns: nil without such a section, or for one that is longer than such texts are.
  /// - Throws: what reading throws.
  func text(_ name: String) throws -> String? {
    guard let section = sections.first(where: { $0.name == name }), section.size <= 64 << 10 else {
      return nil
    }
    let bytes = try read(Int(section.size), section.offset)
    return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
  }

  func has(_ name: String) -> Bool { sections.contains { $0.name == name } }
}

/// The names that an operating system gives itself (os-release(5)).
struct OSRelease: Hashable {
  private var values: [String: String] = [:]

  init(_ text: String) {
    for line in text.split(whereSeparator: \.isNewline).prefix(200) {
      guard let sign = line.firstIndex(of: "="), !line.hasPrefix("#") else { continue }
      let value = line[line.index(after: sign)...].drop(while: \.isWhitespace)
      let quote = value.first
      let isQuoted = value.count > 1 && (quote == "\"" || quote == "'") && value.last == quote
      values[String(line[..<sign])] = String(isQuoted ? value.dropFirst().dropLast() : value)
    }
  }

  private func first(_ keys: String...) -> String? {
    keys.lazy.compactMap { values[$0] }.first { !$0.isEmpty }
  }

  /// As systemd-boot shows a unified kernel image.
  var title: String? { first("PRETTY_NAME", "IMAGE_ID", "NAME", "ID") }
  var version: String? { first("IMAGE_VERSION", "VERSION", "VERSION_ID", "BUILD_ID") }
  var sortKey: String? { first("IMAGE_ID", "ID") }
}

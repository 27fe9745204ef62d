internal import CLinux
internal import Glibc
internal import SystemPackage

/// The EFI programs in a folder that no one has signed: relative paths, sorted.
///
/// Whose signature it is does not matter here: that is the firmware's to check.
func unsignedPrograms(below folder: String) throws -> [String] {
  var unsigned: [String] = []
  func look(_ place: String) throws {
    for name in try Files.names(in: "\(folder)/\(place)") {
      let path = place.isEmpty ? name : "\(place)/\(name)"
      if Files.isDirectory("\(folder)/\(path)") {
        try look(path)
      } else if try hasSignature(header(of: "\(folder)/\(path)")) == false {
        unsigned.append(path)
      }
    }
  }
  try look("")
  return unsigned
}

/// Bytes at the beginning of a file in which a program's headers are, as far as anyone has seen.
private let headerSize = 4096

private func header(of path: String) throws -> [UInt8] {
  let file = try Files.open(path, O_RDONLY | O_NOFOLLOW)
  defer { close(file) }
  var bytes = [UInt8](repeating: 0, count: headerSize)
  let count = try checked("read \(path)") { read(file, &bytes, bytes.count) }
  return Array(bytes[..<count])
}

/// Whether a program has a table of signatures; nil for what is no EFI program for x86_64.
///
/// The optional header of a PE32+ has data directories from its byte 112 on; the fifth is the "certificate table", in
/// which Authenticode keeps signatures (Microsoft's PE Format, "Optional Header Data Directories").
func hasSignature(_ bytes: [UInt8]) -> Bool? {
  func number(_ offset: Int, _ size: Int) -> Int? {
    guard offset >= 0, offset + size <= bytes.count else { return nil }
    return bytes[offset..<offset + size].reversed().reduce(0) { $0 << 8 | Int($1) }
  }
  guard number(0, 2) == 0x5a4d, let start = number(0x3c, 4), number(start, 4) == 0x4550 else { return nil }
  let optional = start + 24
  guard number(optional, 2) == 0x20b, let directories = number(optional + 108, 4) else { return nil }
  guard directories > 4, let size = number(optional + 112 + 4 * 8 + 4, 4) else { return false }
  return size > 0
}

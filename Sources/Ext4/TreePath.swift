internal import Basics
internal import Glibc

/// A path inside a filesystem to be, as bytes: components joined by `/`, no slash at either end; the root is
/// empty.
///
/// Paths order by component, so that a directory is directly followed by all that is in it: `a`, `a/b`,
/// `a-c`.
package struct TreePath: Hashable, Sendable {
  /// The longest name that ext4 holds, in bytes (EXT2_NAME_LEN).
  package static let nameLimit = 255

  /// The path's bytes.
  package let bytes: [UInt8]

  /// The root directory.
  package static let root = TreePath(unchecked: [])

  /// Takes a path; slashes at the ends and doubled ones are dropped.
  ///
  /// Nil when a component is `.` or `..`, is longer than `nameLimit`, or holds a NUL.
  package init?(bytes path: some Sequence<UInt8>) {
    var bytes: [UInt8] = []
    for component in Array(path).split(separator: UInt8(ascii: "/")) {
      guard TreePath.isName(component) else { return nil }
      if !bytes.isEmpty { bytes.append(UInt8(ascii: "/")) }
      bytes += component
    }
    self.bytes = bytes
  }

  /// Takes a path in text form; nil as for bytes.
  package init?(_ text: String) {
    self.init(bytes: text.utf8)
  }

  init(unchecked bytes: [UInt8]) {
    self.bytes = bytes
  }

  /// The path of an entry of this directory, whose name was checked.
  func appending(_ name: ArraySlice<UInt8>) -> TreePath {
    var path: [UInt8] = []
    path.reserveCapacity(bytes.count + 1 + name.count)
    path += bytes
    if !path.isEmpty { path.append(UInt8(ascii: "/")) }
    path += name
    return TreePath(unchecked: path)
  }

  /// The components, from the root.
  package var names: [[UInt8]] { bytes.split(separator: UInt8(ascii: "/")).map(Array.init) }

  /// The directories above it, the root among them.
  package var parents: [TreePath] {
    guard !bytes.isEmpty else { return [] }
    let slashes = bytes.indices.filter { bytes[$0] == UInt8(ascii: "/") }
    return [.root] + slashes.map { TreePath(unchecked: Array(bytes[..<$0])) }
  }

  /// The directory that it is in; the root's is the root.
  var parent: TreePath { TreePath(unchecked: Array(bytes[..<max(nameStart - 1, 0)])) }

  /// Whether it is this directory, or in it at any depth.
  package func isAtOrIn(_ directory: TreePath) -> Bool {
    let count = directory.bytes.count
    guard count > 0 else { return true }
    return bytes.starts(with: directory.bytes) && (bytes.count == count || bytes[count] == UInt8(ascii: "/"))
  }

  /// The components from a directory to what is in it; nil for what is not.
  package func names(below directory: TreePath) -> [[UInt8]]? {
    guard isAtOrIn(directory), self != directory else { return nil }
    return Array(names.dropFirst(directory.names.count))
  }

  /// Where the last component begins.
  var nameStart: Int {
    bytes.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0
  }

  /// The last component; empty for the root.
  var name: ArraySlice<UInt8> { bytes[nameStart...] }

  /// Whether the directory at `path` holds this one as a direct entry.
  func isEntry(of path: TreePath) -> Bool {
    guard !bytes.isEmpty else { return false }
    let start = nameStart
    if start == 0 { return path.bytes.isEmpty }
    return path.bytes.count == start - 1 && bytes.starts(with: path.bytes)
  }

  static func isName(_ component: ArraySlice<UInt8>) -> Bool {
    let dot = UInt8(ascii: ".")
    guard !component.isEmpty, component.count <= nameLimit else { return false }
    if component.first == dot, component.allSatisfy({ $0 == dot }), component.count <= 2 { return false }
    return !component.contains(0)
  }
}

extension TreePath: Comparable {
  /// Orders by component, each by its bytes.
  package static func < (left: TreePath, right: TreePath) -> Bool {
    left.bytes.lexicographicallyPrecedes(right.bytes) { rank($0) < rank($1) }
  }

  /// No component holds a NUL, so the slash can take its place as the lowest.
  private static func rank(_ byte: UInt8) -> UInt8 {
    byte == UInt8(ascii: "/") ? 0 : byte
  }
}

extension TreePath: CustomStringConvertible {
  /// From the root, with bytes that are not printable ASCII or part of UTF-8 text as `\xNN`.
  package var description: String { Self.description(of: bytes) }

  /// The same for bytes that need not be a path.
  package static func description(of bytes: [UInt8]) -> String {
    let bytes = Array(bytes.drop { $0 == UInt8(ascii: "/") })
    if let text = String(validating: bytes, as: UTF8.self), !bytes.contains(where: { $0 < 32 || $0 == 127 }) {
      return "/" + text
    }
    return bytes.reduce(into: "/") { text, byte in
      if (32..<127).contains(byte) {
        text.unicodeScalars.append(Unicode.Scalar(byte))
      } else {
        text += "\\x" + Hexadecimal.text([byte])
      }
    }
  }
}

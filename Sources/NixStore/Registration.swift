internal import Basics
package import SystemPackage

extension Closure {
  /// Reads a folder made by nixpkgs' `closureInfo`: every path it lists, reachable from the roots or not.
  ///
  /// - Throws: `Fault`, with the line where there is one.
  package static func read(
    roots: [StorePath], closureInfo folder: FilePath
  ) async throws -> Closure {
    try await onThread {
      let paths = try Registration.parse(contents(of: "registration", in: folder), in: folder)
      let listed = try contents(of: "store-paths", in: folder).split(separator: UInt8(ascii: "\n"))
        .map { String(decoding: $0, as: UTF8.self) }
      let difference = Set(listed).symmetricDifference(paths.map(\.path.path))
      if let odd = difference.min() {
        throw malformed(folder, "'\(odd)' is in only one of 'registration' and 'store-paths'")
      }
      if let root = Set(roots).subtracting(paths.map(\.path)).min() {
        throw malformed(folder, "it does not list \(root)")
      }
      return Closure(roots: roots, paths: paths)
    }
  }
}

/// The text that `nix-store --dump-db` writes and `nix-store --load-db` reads.
///
/// One record a path, one item a line: path, hash, size, deriver or nothing, number of references,
/// references.
enum Registration {
  /// - Parameters:
  ///   - text: the whole text.
  ///   - folder: where it comes from, for errors.
  /// - Throws: `Fault` with the line's number.
  static func parse(_ text: [UInt8], in folder: FilePath) throws -> [StorePathInfo] {
    // A text cut in the middle of a reference may look whole, but for its last line end.
    if let last = text.last, last != UInt8(ascii: "\n") {
      throw malformed(folder, "'registration' ends in the middle of a line; it seems to be cut short")
    }
    var lines = RegistrationLines(text: text[...], folder: folder)
    var paths: [StorePathInfo] = []
    var firstLine: [StorePath: Int] = [:]
    while !lines.isAtEnd {
      let info = try record(&lines)
      if let earlier = firstLine.updateValue(lines.number, forKey: info.path) {
        throw lines.failure("this record repeats \(info.path), whose record ended at line \(earlier)")
      }
      paths.append(info)
    }
    return paths
  }

  private static func record(_ lines: inout RegistrationLines) throws -> StorePathInfo {
    let path = try lines.next("a store path", StorePath.init(path:))
    let hash = try lines.next("the SHA-256 of \(path)", NarHash.init)
    let size = try lines.next("the size of \(path)", decimal)
    let deriver = try lines.next("the deriver of \(path) or nothing") { line -> StorePath?? in
      line.isEmpty ? .some(nil) : StorePath(path: line).map { $0 }
    }
    let count = try lines.next("the number of references of \(path)", decimal)
    var references: [StorePath] = []
    // The number may be anything: nothing is allocated for it, and each turn uses up a line or fails.
    var left = count
    while left > 0 {
      references.append(try lines.next("a reference of \(path)", StorePath.init(path:)))
      left -= 1
    }
    return StorePathInfo(path: path, narHash: hash, narSize: size, deriver: deriver, references: references)
  }

  /// Digits only: `UInt64.init` would take a sign.
  private static func decimal(_ line: String) -> UInt64? {
    line.utf8.first == UInt8(ascii: "+") ? nil : UInt64(line)
  }
}

extension Closure {
  /// The closure as `nix-store --load-db` reads it.
  package var registrationText: [UInt8] {
    Array(paths.map(\.registrationText).joined().utf8)
  }
}

extension StorePathInfo {
  fileprivate var registrationText: String {
    // As `nix-store --dump-db` spells the hash: without its algorithm.
    let hash = String(narHash.description.dropFirst("sha256:".count))
    let items = [path.path, hash, "\(narSize)", deriver?.path ?? "", "\(references.count)"]
    return (items + references.map(\.path)).joined(separator: "\n") + "\n"
  }
}

private struct RegistrationLines {
  var text: ArraySlice<UInt8>
  let folder: FilePath
  /// The number of the line last read, from 1.
  var number = 0

  var isAtEnd: Bool { text.isEmpty }

  mutating func next<Value>(_ expected: String, _ read: (String) -> Value?) throws -> Value {
    number += 1
    guard let end = text.firstIndex(of: UInt8(ascii: "\n")) else {
      throw failure("it ends where \(expected) should be")
    }
    let line = String(decoding: text[..<end], as: UTF8.self)
    text = text[(end + 1)...]
    guard let value = read(line) else { throw failure("'\(line.prefix(200))' is not \(expected)") }
    return value
  }

  func failure(_ reason: String) -> Fault {
    malformed(folder, "'registration', line \(number): \(reason)")
  }
}

private func contents(of name: String, in folder: FilePath) throws -> [UInt8] {
  do {
    return try WholeFile.read(folder.appending(name))
  } catch let failure as PathFailure {
    throw malformed(folder, "\(failure)")
  }
}

private func malformed(_ folder: FilePath, _ reason: String) -> Fault {
  Fault(
    .badInput, "cannot use '\(folder)' as a closureInfo folder", cause: reason,
    remedy: "Give the output of nixpkgs' 'closureInfo { rootPaths = [ … ]; }'.")
}

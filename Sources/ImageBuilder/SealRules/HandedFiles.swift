internal import Basics
internal import Ext4
internal import SystemPackage

/// The files that were handed over, of those that somebody asks for.
struct HandedFiles: Sendable {
  /// More is in no file of settings.
  static let limit: UInt64 = 4 << 20

  private(set) var files: [String: FileParts] = [:]

  init(_ files: [String: FileParts] = [:]) {
    self.files = files
  }

  func has(_ path: String) -> Bool { files[path] != nil }

  /// The bytes of a file.
  ///
  /// - Returns: nil for what was not handed over, or is larger than `limit`.
  /// - Throws: `Fault` when it cannot be read.
  func content(_ path: String, limit: UInt64 = HandedFiles.limit) throws -> [UInt8]? {
    guard let parts = files[path], parts.size <= limit else { return nil }
    return try parts.bytes()
  }
}

extension FileParts {
  /// The whole file. The caller bounds its size.
  ///
  /// - Throws: `Fault`.
  func bytes() throws -> [UInt8] {
    let parts = try OpenParts(self)
    var bytes = [UInt8](repeating: 0, count: Int(size))
    try bytes.withUnsafeMutableBytes { try parts.read(into: $0, at: 0) }
    return bytes
  }
}

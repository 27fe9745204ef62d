internal import Foundation
internal import SystemPackage

/// Reads a whole file.
///
/// - Throws: `ApplianceError.file`.
func contents(of path: FilePath) throws -> [UInt8] {
  try onFile(path) {
    let file = try FileDescriptor.open(path, .readOnly)
    return try file.closeAfter {
      // A growing file would otherwise be read in full, beyond the size that was looked at.
      let size = Int(try path.stat().size)
      return try [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
        while count < size {
          let rest = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[count...])
          let read = try file.read(into: rest)
          if read == 0 { return }
          count += read
        }
      }
    }
  }
}

/// Reads a whole file as UTF-8 text; malformed bytes become replacement characters.
///
/// - Throws: `ApplianceError.file`.
func text(of path: FilePath) throws -> String {
  String(decoding: try contents(of: path), as: UTF8.self)
}

/// Whether something is there, links followed.
func exists(_ path: FilePath) -> Bool {
  (try? path.stat()) != nil
}

/// Makes a folder and those above it.
///
/// - Throws: `ApplianceError.file`.
func makeFolder(_ path: FilePath) throws {
  try onFoundation(path) {
    try FileManager.default.createDirectory(atPath: path.string, withIntermediateDirectories: true)
  }
}

/// The names in a folder, sorted.
///
/// - Throws: `ApplianceError.file`.
func names(in folder: FilePath) throws -> [String] {
  try onFoundation(folder) { try FileManager.default.contentsOfDirectory(atPath: folder.string).sorted() }
}

/// Writes a file so that it is there completely or not at all.
///
/// - Throws: `ApplianceError.file`.
func write(_ bytes: [UInt8], to path: FilePath) throws {
  try onFoundation(path) { try Data(bytes).write(to: URL(filePath: path.string), options: .atomic) }
}

/// Waits until a file's bytes are on the disk: after a crash of the host it is whole, or its name is not there.
///
/// - Throws: `ApplianceError.file`.
func flush(_ path: FilePath) throws {
  try onFile(path) {
    let file = try FileDescriptor.open(path, .readOnly, options: .closeOnExec)
    try file.closeAfter {
      guard fsync(file.rawValue) == 0 else { throw Errno(rawValue: errno) }
    }
  }
}

/// Copies a file's bytes.
///
/// - Throws: `ApplianceError.file`.
func copy(_ source: FilePath, to target: FilePath) throws {
  try onFoundation(source) { try FileManager.default.copyItem(atPath: source.string, toPath: target.string) }
}

/// Removes a file or a whole folder if it is there.
func remove(_ path: FilePath) {
  try? FileManager.default.removeItem(atPath: path.string)
}

private func onFoundation<Result>(_ path: FilePath, _ operation: () throws -> Result) throws -> Result {
  do {
    return try operation()
  } catch let error as CocoaError {
    throw ApplianceError.file(path, reason: error.localizedDescription)
  }
}

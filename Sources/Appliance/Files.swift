internal import Basics
internal import Glibc
internal import SystemPackage

/// Reads a whole file.
///
/// - Throws: `Fault`; `CancellationError`.
func contents(of path: FilePath) throws -> [UInt8] {
  try onFile(path) { try WholeFile.read(path) }
}

/// Reads a whole file as UTF-8 text; malformed bytes become replacement characters.
///
/// - Throws: `Fault`; `CancellationError`.
func text(of path: FilePath) throws -> String {
  String(decoding: try contents(of: path), as: UTF8.self)
}

/// Whether an executable needs no loader.
///
/// - Throws: `Fault`; `CancellationError`.
func isStatic(_ path: FilePath) throws -> Bool {
  let bytes = try contents(of: path)
  do throws(ELFExecutable.Fault) {
    return try ELFExecutable(bytes).isStatic
  } catch {
    throw Fault.notAnExecutable(path, reason: error.rawValue)
  }
}

/// Whether something is there, links followed.
func exists(_ path: FilePath) -> Bool {
  (try? FileStatus(of: path)) != nil
}

/// Makes a folder and those above it.
///
/// - Throws: `Fault`.
func makeFolder(_ path: FilePath) throws {
  try onFile(path) { try Folder.makeAll(path) }
}

/// The names in a folder that are text, sorted.
///
/// - Throws: `Fault`.
func names(in folder: FilePath) throws -> [String] {
  try onFile(folder) { try Folder.names(in: folder) }.compactMap { String(validating: $0, as: UTF8.self) }
}

/// Writes a file so that it is there completely or not at all, beside whoever writes the same one.
///
/// - Throws: `Fault`.
func write(_ bytes: [UInt8], to path: FilePath) throws {
  // What a crash leaves by this name is removed with all that nobody used for a day.
  let temporary = path.removingLastComponent().appending(ClaimedFolder.uniqueName("new-"))
  try onFile(path) { try WholeFile.make(path, replacingBy: temporary) { try $0.writeAll(bytes) } }
}

/// Waits until a file's bytes are on the disk: after a crash of the host it is whole, or its name is not there.
///
/// - Throws: `Fault`.
func flush(_ path: FilePath) throws {
  try onFile(path) {
    let file = try FileDescriptor.open(path, .readOnly, options: .closeOnExec)
    try file.closeAfter {
      guard fsync(file.rawValue) == 0 else { throw Errno(rawValue: errno) }
    }
  }
}

/// Copies a file's bytes; of a link, those of what it leads to.
///
/// - Throws: `Fault`; `CancellationError`.
func copy(_ source: FilePath, to target: FilePath) throws {
  try onFile(source) { try WholeFile.copy(source, to: target) }
}

/// Runs a file operation, and names the file when it fails.
///
/// - Throws: `Fault`.
func onFile<Result>(_ path: FilePath, _ operation: () throws -> Result) throws -> Result {
  do {
    return try operation()
  } catch let failure as PathFailure where failure.reason.isLackOfSpace {
    // No fault of the file's.
    throw Fault(failure)
  } catch let failure as PathFailure {
    throw fault(failure.path, failure.reason, attempt: failure.attempt)
  } catch let error as Errno {
    throw fault(path, error, attempt: nil)
  }
}

private func fault(_ path: FilePath, _ error: Errno, attempt: String?) -> Fault {
  guard let attempt, attempt != "open" else {
    let remedy = "permission denied; make it readable (chmod a+r \(path)), or pass a readable copy"
    return .file(path, reason: error == .permissionDenied ? remedy : error.description)
  }
  return .file(path, reason: "could not \(attempt) it: \(error)")
}

internal import Basics
internal import SystemPackage

/// A file that a command is asked to write beside its output.
enum OutputFile {
  /// Writes it, in the place of an older one.
  ///
  /// - Throws: `Fault`.
  static func write(_ text: String, to path: String) throws {
    do {
      try WholeFile.write(Array(text.utf8), to: FilePath(path), mode: 0o644)
    } catch let failure as PathFailure {
      throw Fault(failure)
    }
  }
}

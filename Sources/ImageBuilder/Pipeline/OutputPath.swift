internal import Basics
internal import SystemPackage

/// The place of an output folder, from which libvirt and QEMU are given files.
enum OutputPath {
  /// Bytes that a path may have from the root. The names that are made below it are well within the 1023 that QEMU keeps
  /// of the name of a file.
  static let longest = 900

  /// Refuses what a domain's XML or QEMU cannot carry, before anything is made.
  ///
  /// - Throws: `Fault`.
  static func check(_ out: String) throws {
    let path = FilePath(out).absolute.string
    guard path.utf8.count <= longest else {
      throw Fault(
        .badInput, "the output folder's path has \(path.utf8.count) bytes, and \(longest) are the most",
        remedy: "Choose another --out, and move the folder afterwards")
    }
    let isPlain = path.unicodeScalars.allSatisfy { scalar in
      scalar != "\u{FFFD}" && scalar.properties.generalCategory != .control
    }
    guard isPlain else {
      throw Fault(
        .badInput, "the output folder's path has a control character, or is not UTF-8: \(path)",
        remedy: "Choose another --out, and rename the folder afterwards")
    }
  }
}

internal import Basics
internal import Command
internal import SystemPackage

/// The shared libraries that executables need, and those that these need, as the host's own loader finds them.
///
/// `ldd` is asked rather than the files: search paths, `RUNPATH`, `ld.so.conf` and the cache are the loader's
/// business, and differ between Debian and NixOS.
struct SharedLibraries {
  let runner: any CommandRunner

  /// Paths of all libraries and loaders, as the loader spells them, sorted, each once.
  ///
  /// - Throws: `Fault`; `CommandFailure` when `ldd` cannot be run.
  func resolve(_ executables: [FilePath]) async throws -> [FilePath] {
    guard !executables.isEmpty else { return [] }
    // A preloaded or private library of the caller would not be found in the guest.
    let environment = ["LC_ALL": "C", "LD_LIBRARY_PATH": "", "LD_PRELOAD": ""]
    let output = try await runner.run(
      Command("ldd", executables.map(\.string), environment: environment))
    return try Self.parse(output, first: executables[0])
  }

  /// Reads what `ldd` prints: a `PATH:` line before each executable if there are several, then
  /// `NAME => PATH (ADDRESS)`, `PATH (ADDRESS)`, or `NAME => not found`.
  static func parse(_ output: String, first: FilePath) throws -> [FilePath] {
    var paths: Set<String> = []
    var executable = first.string
    for line in output.split(separator: "\n") {
      if let last = line.last, last == ":", line.first == "/" {
        executable = String(line.dropLast())
        continue
      }
      let words = line.split(whereSeparator: \.isWhitespace)
      if words.dropFirst().starts(with: ["=>", "not", "found"]) {
        throw Fault.libraryMissing(library: String(words[0]), tool: executable)
      }
      if let path = words.first(where: { $0.hasPrefix("/") }) { paths.insert(String(path)) }
    }
    return paths.sorted().map { FilePath($0) }
  }
}

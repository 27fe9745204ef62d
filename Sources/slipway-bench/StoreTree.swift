internal import Command
internal import Foundation
internal import NixStore
internal import SystemPackage

/// Store paths that every way to make a filesystem is given.
struct StoreTree {
  let name: String
  let paths: [String]

  /// All that a system needs.
  static func closure(of system: String, name: String, scratch: String) async throws -> StoreTree {
    let store = StoreLocation()
    let root = try store.storePath(of: system, from: FilePath(scratch))
    let closure = try await Closure.read(roots: [root], from: store)
    return StoreTree(name: name, paths: closure.paths.map(\.path.path))
  }

  /// A copy below one folder, for tools that take nothing else; without hard links, which a store may have.
  func staged(in folder: String) async throws -> String {
    let runner = SubprocessRunner()
    try await runner.run("mkdir", "-p", "\(folder)/nix/store")
    try await runner.run(
      Command("cp", ["-a", "--no-preserve=links"] + paths + ["\(folder)/nix/store"]))
    return folder
  }

  /// How many files there are, and how many bytes are in them.
  func summary() async throws -> String {
    let script = """
      find "$@" -type f -printf '%s\\n' | awk '{ bytes += $1 } END { printf "%d files, %.2f GB", NR, bytes / 1e9 }'
      """
    return try await SubprocessRunner().run(Command("sh", ["-c", script, "sh"] + paths))
  }
}

extension BenchOptions {
  /// The store path of a test system, which is built first where it is not there.
  func system(_ name: String) async throws -> String {
    try await SubprocessRunner().run(systems, name)
  }

  /// The large store path of the test system tiny-bulk.
  func bulkPath() async throws -> String {
    let system = try await system("tiny-bulk")
    return try String(contentsOfFile: "\(system)/extra-dependencies", encoding: .utf8)
  }
}

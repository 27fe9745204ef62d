import Command
import SystemPackage

@testable import NixStore

/// A chroot store that Nix itself made: two derivations, one of which refers to the other, and a source of
/// both.
struct NixFixture {
  let scratch: ScratchFolder
  let location: StoreLocation
  /// The derivation that refers to the others. It stands for a system: a build would need a shell in the
  /// store.
  let system: StorePath

  static func make() async throws -> NixFixture {
    let scratch = try ScratchFolder()
    let location = StoreLocation(root: scratch.path.appending("root"))
    let source = scratch.path.appending("source")
    try makeFolder(source.appending("folder"))
    try write("text\n", to: source.appending(["folder", "program"]), mode: 0o755)
    try write("", to: source.appending(["folder", "a name of 18 bytes"]))
    try link(source.appending("link"), to: "folder/program")
    let expression = scratch.path.appending("system.nix")
    try write(
      """
      let
        source = ./source;
        common = { system = builtins.currentSystem; builder = "/bin/sh"; inherit source; };
        library = derivation (common // { name = "library"; outputs = [ "out" "dev" ]; });
      in derivation (common // { name = "system"; inherit library; })
      """, to: expression)
    let lines = try await run(["nix-instantiate", expression.string], in: location)
    return NixFixture(
      scratch: scratch, location: location, system: try required(lines.first.flatMap(StorePath.init(path:))))
  }

  /// Runs a command of Nix on this store or another, and gives what it prints, by lines.
  @discardableResult
  func run(_ words: [String]) async throws -> [String] {
    try await Self.run(words, in: location)
  }

  /// Runs a command of Nix on this store or another, and gives what it prints, by lines.
  @discardableResult
  func run(_ words: String..., in store: StoreLocation? = nil) async throws -> [String] {
    try await Self.run(words, in: store ?? location)
  }

  private static func run(_ words: [String], in store: StoreLocation) async throws -> [String] {
    let output = try await SubprocessRunner().run(
      Command(
        words[0], words.dropFirst() + ["--store", "local?root=\(store.root)"],
        environment: ["NIX_CONFIG": "build-users-group ="]))
    var lines = output.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    if lines.last == "" { lines.removeLast() }
    return lines
  }
}

internal import Command
internal import Foundation
internal import Synchronization
package import SystemPackage

/// An ordinary user with a Nix store of his own: a chroot store, whose builds run in a sandbox without network.
///
/// The builds see the programs of the host as they are installed (`sandbox-paths`), for there are no store paths of
/// them; nothing else of the host.
package struct NixUser: Sendable {
  private let home: FilePath
  private let sshOptions: String
  /// The folder that stands for `/` in the store.
  package let root: FilePath

  /// Makes the user's folders and settings in `home`, which does not exist yet.
  ///
  /// - Parameters:
  ///   - settings: lines of nix.conf on top of those that every user has.
  ///   - sshOptions: options of the `ssh` that reaches remote builders.
  package init(home: FilePath, settings: [String] = [], sshOptions: String = "") async throws {
    self.home = home
    self.sshOptions = sshOptions
    root = home.appending("root")
    try FileManager.default.createDirectory(atPath: home.string, withIntermediateDirectories: true)
    let lines =
      [
        "sandbox = true", "sandbox-fallback = false", "build-users-group =", "substituters =",
        "sandbox-paths = " + (try await Self.hostPaths()).joined(separator: " "),
      ] + settings
    try lines.map { $0 + "\n" }.joined().write(
      toFile: home.appending("nix.conf").string, atomically: true, encoding: .utf8)
    try await SubprocessRunner().run("chown", "-R", "65534:65534", home.string)
  }

  /// Where a store path lies on the host.
  package func file(of path: String) -> FilePath { root.appending(FilePath(path).components) }

  /// Copies a closure of the host's store into the user's.
  package func add(closureOf path: String) async throws {
    let runner = SubprocessRunner()
    let paths = try await runner.run("nix-store", "--query", "--requisites", path)
    let archive = home.appending("closure").string
    try await runner.run("sh", "-c", "nix-store --export $1 > $2", "sh", paths, archive)
    defer { try? FileManager.default.removeItem(atPath: archive) }
    try await run("sh", ["-c", "nix-store --store $1 --import < $2", "sh", root.string, archive])
  }

  /// Builds an expression's derivation.
  ///
  /// - Parameter isChecked: whether what is there already is built again, and has to be the same.
  /// - Returns: the store path, and all that was said.
  package func build(
    _ expression: String, arguments: [String: String], isChecked: Bool = false
  ) async throws -> (String, log: [String]) {
    let log = Mutex<[String]>([])
    let words = arguments.sorted { $0.key < $1.key }.flatMap { ["--argstr", $0.key, $0.value] }
    let path = try await run(
      "nix-build",
      [expression, "--no-out-link", "--store", root.string] + (isChecked ? ["--check"] : []) + words
    ) { line in log.withLock { $0.append(line) } }
    return (path, log.withLock(\.self))
  }

  @discardableResult
  private func run(
    _ program: String, _ arguments: [String], log: @escaping @Sendable (String) -> Void = { _ in }
  ) async throws -> String {
    let words = OrdinaryUser.wrapper + [program] + arguments
    return try await SubprocessRunner(environment: environment).run(
      Command(words[0], Array(words.dropFirst())), log: log)
  }

  /// Where Nix finds what is this user's.
  package var nixEnvironment: [String: String] {
    ["NIX_CONF_DIR": home.string, "NIX_STATE_DIR": home.appending("state").string]
  }

  private var environment: [String: String] {
    nixEnvironment.merging([
      "HOME": home.string, "USER": "nobody", "TMPDIR": "/tmp", "NIX_SSHOPTS": sshOptions,
      "PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin",
    ]) { $1 }
  }

  /// What Slipway runs that is no package of the set, with the files that it reads.
  private static func hostPaths() async throws -> [String] {
    let programs = ["/bin", "/sbin", "/lib", "/lib64", "/usr", "/boot"]
    let settings = ["alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "mke2fs.conf"]
      .map { "/etc/\($0)" }
    // Swift's own libraries are where it was unpacked.
    let libraries = try await SubprocessRunner().run("ldd", SlipwayCommand.executable.string)
      .split(whereSeparator: \.isWhitespace).filter { $0.hasPrefix("/") && $0.contains("/swift/") }
      .map { FilePath(String($0)).removingLastComponent().string }
    return (programs + settings).filter { FileManager.default.fileExists(atPath: $0) }
      + Set(libraries).sorted()
      + [SlipwayCommand.prefix.string]
  }
}

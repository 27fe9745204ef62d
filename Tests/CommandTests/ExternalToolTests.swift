import Command
import Foundation
import TestSupport
import Testing

/// The list of programs is what is run, and what the Nix function has.
@Suite struct ExternalToolTests {
  /// Every executable that a source file names where it runs one.
  @Test func everyProgramThatIsRunIsInTheList() throws {
    let call = try Regex(#"(?:[Cc]ommand\(|\brun\()\s*"([A-Za-z0-9_.-]+)""#)
    var seen: Set<String> = []
    for (file, text) in try sources() where !file.contains("slipway-bench/") {
      for match in text.matches(of: call) {
        let name = String(match.output[1].substring ?? "")
        seen.insert(name)
        #expect(ExternalTool.all.contains { $0.answers(to: name) }, "\(file) runs \(name)")
      }
      // A path of its own would be found on no NixOS.
      for match in text.matches(of: try Regex(#"\.path\("(/[^"]+)"\)"#)) {
        #expect(match.output[1].substring == "/bin/sh", "\(file)")
      }
    }
    #expect(seen.isSuperset(of: ["qemu-img", "zstd", "mdir", "bash", "ldd", "sfdisk"]))
  }

  @Test func namesAreUnique() {
    let names = ExternalTool.all.flatMap { [$0.name] + $0.aliases }
    #expect(Set(names).count == names.count)
  }

  /// `nix/tools.nix`, evaluated with a package set that has nothing but what the list names.
  @Test func theNixFunctionHasThePackageOfEveryProgram() async throws {
    let hooks = [
      "parted", "gptfdisk", "rsync", "bzip2", "xz", "gnused", "gawk", "findutils",
      "diffutils",
    ]
    let wanted = Set(ExternalTool.all.map(\.nixPackage) + hooks)
    // `a.b` is a nested attribute in Nix as it is here.
    let packages = wanted.map { "\($0) = \"\($0)\";" }.joined(separator: " ")
    let expression = """
      import \(TestSystem.repository("nix/tools.nix")) {
        pkgs = { lib.getBin = package: package; \(packages) };
      }
      """
    let output = try await SubprocessRunner().run(
      "nix-instantiate", "--eval", "--json", "--strict", "--expr", expression)
    let found = try JSONDecoder().decode([String].self, from: Data(output.utf8))
    #expect(Set(found) == wanted)
    #expect(found.count == wanted.count)
    // Its tar and gzip must not stand in front of others.
    #expect(found.last == "pkgsStatic.busybox")
  }

  private func sources() throws -> [(String, String)] {
    let folder = TestSystem.repository("Sources")
    let names = try #require(FileManager.default.enumerator(atPath: folder)).compactMap { $0 as? String }
    let files = names.filter { $0.hasSuffix(".swift") }.map { "\(folder)/\($0)" }
    try #require(files.count > 100)
    return try files.map { ($0, try String(contentsOfFile: $0, encoding: .utf8)) }
  }
}

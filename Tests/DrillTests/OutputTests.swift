import Foundation
import SystemPackage
import TestSupport
import Testing

/// Standard streams that are closed or full, and outputs at odd places.
@Suite(.virtualMachines, .serialized) struct OutputTests {
  /// The output is made in every case. Only a summary that nobody got makes the run a failure.
  @Test(arguments: [("2>&-", 0), (">&-", 1), ("2>/dev/full", 0), (">/dev/full", 1), ("2>&1 | head -n 1", 0)])
  func aBuildOutlivesItsReader(redirection: String, status: Int32) async throws {
    try await row("lost reader of a build", redirection, keeps: ["r"]) { bench in
      let result = try await bench.run(bench.storeBuild(), command: "\"$@\" \(redirection)")
      bench.expect(result.status == status, "exit code \(result.status): \(result.errors)")
      bench.expect(
        FileManager.default.fileExists(atPath: bench.out.appending("r/manifest.json").string),
        "there is no output")
    }
  }

  @Test(arguments: [["plan"], ["plan", "--json"], ["efivars", "show"], ["efivars", "show", "--json"]])
  func dataThatIsLostIsAFailure(words: [String]) async throws {
    for target in ["/dev/full", "&-"] {
      try await row("lost data", words.joined(separator: " ") + " >\(target)") { bench in
        let subject =
          words[0] == "plan"
          ? ["--system", try await TestSystem.path("tiny")] : ["/usr/share/OVMF/OVMF_VARS_4M.snakeoil.fd"]
        let result = try await bench.run(words + subject, command: "\"$@\" >\(target)")
        bench.expect((1...3).contains(result.status), "exit code \(result.status): \(result.errors)")
      }
    }
  }

  /// Folders whose names are syntax to a shell, to mtools, qemu-img, libvirt or XML.
  static let names = [
    "x$(touch PWNED)y", "a:b", "-i", "@@0", "a b\\c[d]", "`touch PWNED`", "<&'\">", "é\u{301}", "%s%n",
  ]

  @Test(arguments: names)
  func aPathIsNeverSyntax(name: String) async throws {
    try await row("path with syntax", name, keeps: ["in"]) { bench in
      let parent = bench.out.appending("in")
      try FileManager.default.makeFolder(parent)
      let result = try await bench.run(
        bench.build("tiny", ["--only-nix-store", "--format", "vmdk", "--format", "qcow2"], to: "in/\(name)"))
      bench.expect(result, status: 0)
      bench.expect(
        try FileManager.default.contentsOfDirectory(atPath: parent.string) == [name], "other names beside it")
    }
  }

  @Test func aWholeBuildAndAllThatReadsItTakePathsAsTheyAre() async throws {
    let name = "x$(touch PWNED)y @@:[\\"
    try await row("path with syntax", "build, verify, efivars check in \(name)", keeps: [name]) { bench in
      let folder = bench.out.appending(name)
      bench.expect(try await bench.run(bench.build("tiny", to: name)), status: 0)
      bench.expect(
        try await bench.run([
          "efivars", "check", folder.appending("efi-vars.fd").string, "--image",
          folder.appending("nixos.img").string,
        ]), status: 0)
      bench.expect(try await bench.run(["verify", folder.string]), status: 0)
    }
  }

  @Test(arguments: ["a\nb", String(repeating: "d/", count: 600) + "r", "nowhere/r", "."])
  func anOutputThatCannotBeIsRefusedByName(name: String) async throws {
    try await row("impossible output", String(name.prefix(20)).debugDescription, keeps: ["d"]) { bench in
      let parent = FilePath(bench.out.appending(name).string).removingLastComponent()
      if name.hasPrefix("d/") { try FileManager.default.makeFolder(parent) }
      let result = try await bench.run(bench.storeBuild(to: name))
      bench.expect([0, 2].contains(result.status), "exit code \(result.status): \(result.errors)")
      if result.status == 0 {
        try FileManager.default.removeItem(atPath: bench.out.string)
        try FileManager.default.makeFolder(bench.out)
      }
    }
  }

  @Test func whatSlipwayDidNotMakeIsNotReplaced() async throws {
    try await row("output exists", "--force over a folder of somebody's", keeps: ["mine"]) { bench in
      try FileManager.default.makeFolder(bench.out.appending("mine/deep"))
      let result = try await bench.run(bench.storeBuild(["--force"], to: "mine"))
      bench.expect(result, status: 2)
      bench.expect(
        FileManager.default.fileExists(atPath: bench.out.appending("mine/deep").string), "it is gone")
    }
  }

  @Test func twoBuildsOfOneOutputDoNotMix() async throws {
    try await row("two builds in one place", "both at once", keeps: ["r"]) { bench in
      async let first = bench.run(bench.storeBuild())
      async let second = bench.run(bench.storeBuild())
      let results = try await [first, second]
      bench.expect(results.contains { $0.status == 0 }, results.map(\.errors).joined())
      bench.expect(results.allSatisfy { [0, 1, 2].contains($0.status) }, "\(results.map(\.status))")
      bench.expect(
        FileManager.default.fileExists(atPath: bench.out.appending("r/manifest.json").string),
        "there is no output")
    }
  }
}

import Foundation
import SystemPackage
import TestSupport
import Testing

/// Input that is damaged, hostile or out of bounds: refused before any machine, or used as it is meant.
@Suite(.virtualMachines, .serialized) struct InputTests {
  @Test func damagedClosureInfoFoldersAreRefusedOrHarmless() async throws {
    var random = RoundRandom("closure")
    for number in 1...10 {
      try await row("closureInfo damaged", "cut or one bit flipped, \(number) of 10") { bench in
        let info = bench.inputs.appending("info")
        try await ClosureInfo.write(of: TestSystem.path("tiny"), to: info)
        let file = URL(fileURLWithPath: info.appending("registration").string)
        var bytes = try Data(contentsOf: file)
        let place = Int.random(in: 0..<bytes.count, using: &random)
        if number % 2 == 0 {
          bytes = bytes.prefix(place)
        } else {
          bytes[place] ^= 1 << UInt8.random(in: 0...7, using: &random)
        }
        try bytes.write(to: file)
        let result = try await bench.run(
          bench.storeBuild(["--closure-info", info.string]),
          environment: FakeHypervisor(in: bench.inputs).environment)
        bench.expect([0, 2].contains(result.status), "exit code \(result.status): \(result.errors)")
        if result.status == 0 { try FileManager.default.removeItem(atPath: bench.out.appending("r").string) }
      }
    }
  }

  /// A part of a spec, and a word of the refusal.
  static let specs = [
    (#""diskSize": "8E""#, "diskSize"), (#""diskSize": 18446744073709551615"#, "diskSize"),
    (#""format": "raw", "format": "qcow2""#, "format"), (#""baseName": "a\nb""#, "baseName"),
    (#""contents": [{"source": "/etc/hosts", "target": "/../x"}]"#, "contents"),
    (#""contents": [{"source": "/etc/hosts", "target": ""}]"#, "contents"),
    (#""contents": [{"source": "/etc/hosts", "target": "/nix/store/x"}]"#, "contents"),
    (#""label": "\u001b]52;c;eA==\u0007""#, "label"), (#""\u001b[2Jkey": 1"#, "no such key"),
    (#""partitions": [{"name": "a", "size": "9999P", "fsType": "ext4"}]"#, "partitions"),
    (#""rootGPUID": "00000000-0000-0000-0000-00000000000""#, "rootGPUID"),
  ]

  @Test(arguments: specs)
  func aBadSpecIsRefusedByItsKey(json: String, key: String) async throws {
    try await row("bad spec", json) { bench in
      let system = try await TestSystem.path("tiny")
      let spec = try bench.write("{\"system\": \"\(system)\", \(json)}", "spec.json")
      let hypervisor = try FakeHypervisor(in: bench.inputs)
      let result = try await bench.run(
        ["build", spec, "--out", bench.out.appending("r").string], environment: hypervisor.environment)
      bench.expect(result, status: 2, says: key)
      bench.expect(!hypervisor.wasStarted, "a machine was started")
    }
  }

  @Test func moreProcessorsThanTheHostHasAreWarnedOf() async throws {
    try await row("64 processors on a smaller host", "plan") { bench in
      let result = try await bench.run(["plan", "--system", TestSystem.path("tiny"), "--cpus", "64"])
      bench.expect(result, status: 0)
      bench.expect((result.output + result.errors).contains("64"), "no warning: \(result.errors)")
    }
  }

  @Test(arguments: ["16", "24", "64"])
  func aLowLimitOfOpenFilesIsNamed(limit: String) async throws {
    try await row("few open files", "ulimit -n \(limit)", keeps: ["r"]) { bench in
      let result = try await bench.run(
        bench.storeBuild(), command: "ulimit -n \(limit); exec \"$@\"")
      let limits = try Regex("(?i)open files|RLIMIT_NOFILE|ulimit -n")
      bench.expect(
        result.status == 0 || result.errors.contains(limits),
        "exit code \(result.status), limit not named: \(result.errors)")
    }
  }

  @Test func aNameThatErofsCannotHoldIsSaid() async throws {
    try await row("255-byte file name with erofs", "additionalPaths", keeps: ["r"]) { bench in
      let folder = bench.inputs.appending("slipway-drill-long")
      try FileManager.default.makeFolder(folder)
      try Data("x".utf8).write(
        to: URL(fileURLWithPath: folder.appending(String(repeating: "n", count: 255)).string))
      let added = try await SubprocessRunnerText.run("nix-store", "--add", folder.string)
      let result = try await bench.run(bench.storeBuild(["--additional-paths", added]))
      _ = try? await SubprocessRunnerText.run("nix-store", "--delete", added)
      bench.expect(
        result.status == 0 || result.errors.contains("name"), "exit code \(result.status): \(result.errors)")
    }
  }

  @Test func aZeroedApplianceIsMadeAnew() async throws {
    try await row(
      "corrupt cache", "initramfs zeroed, size kept, then appliance build and a build", keeps: ["r"]
    ) { bench in
      let cache = ["XDG_CACHE_HOME": bench.inputs.appending("cache").string]
      bench.expect(try await bench.run(["appliance", "build"], environment: cache), status: 0)
      let files = try FileManager.default.subpathsOfDirectory(atPath: bench.inputs.appending("cache").string)
      let name = try #require(files.first { $0.hasSuffix("/initramfs") })
      let file = bench.inputs.appending("cache").appending(name).string
      let size = try Data(contentsOf: URL(fileURLWithPath: file)).count
      try Data(count: size).write(to: URL(fileURLWithPath: file))
      try await bench.run(["appliance", "build"], environment: cache)
      bench.expect(try await bench.run(bench.build(), environment: cache), status: 0)
    }
  }
}

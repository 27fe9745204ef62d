import Command
import Foundation
import SystemPackage
import TestSupport
import Testing

/// Two builds of one system that have nothing in common but the system, its spec and the tools: the same bytes.
@Suite(.virtualMachines, .serialized) struct VariationTests {
  /// One image: the system, its table, and flags that are part of its spec.
  struct Cell: Sendable, CustomTestStringConvertible {
    let system: String
    let table: String
    var flags: [String] = []
    /// How many varied builds are compared with the first.
    var rounds = 1

    var testDescription: String { "\(system) on \(table), \(rounds) times" }
  }

  private static func formats(_ names: String...) -> [String] { names.flatMap { ["--format", $0] } }
  private static let formats = formats(
    "raw", "qcow2", "vdi", "vpc", "vmdk", "vhdx", "raw.zst", "raw.tar.gz")
  /// Those that cannot be beside others.
  private static let otherFormats = formats("qcow2-compressed", "vpc-fixed", "vmdk-stream")

  private static let sweeps = ProcessInfo.processInfo.environment["SLIPWAY_SWEEPS"] != nil

  private static let cells =
    sweeps
    ? [
      Cell(system: "tiny", table: "efi", flags: formats, rounds: 10),
      Cell(system: "grub-bios", table: "legacy", flags: otherFormats, rounds: 10),
    ]
      + BootLoaderTests.all.map { Cell(system: $0.system, table: $0.table, flags: $0.flags) }
    : [
      Cell(system: "tiny", table: "efi", flags: formats),
      Cell(system: "grub-bios", table: "legacy+gpt", flags: otherFormats + ["--swap-size", "32M"]),
    ]

  @Test(arguments: cells) func theBytesDoNotTellWhoBuiltThemWhereAndWhen(cell: Cell) async throws {
    try await withScratchDirectory { scratch in
      let system = try await TestSystem.path(cell.system)
      let isUntouched = cell.system.hasSuffix("-notouch")
      let spec =
        ["--partition-table-type", cell.table, "--additional-space", "16M"] + cell.flags
        + (isUntouched ? ["--no-touch-efi-vars"] : [])
      let first = scratch.appending("first")
      let built = try await SlipwayCommand.run(
        ["build", "--system", system, "--out", first.string] + spec)
      try #require(built.status == 0, "\(built.errors)")
      let expected = try await digests(of: first)
      #expect(!expected.isEmpty)
      let other = try await OtherHost(holding: system, in: scratch)
      for round in 1...cell.rounds {
        let out = other.home.appending("out")
        let built = try await other.build(round, spec + ["--out", out.string])
        try #require(built.status == 0, "round \(round): \(built.errors)")
        #expect(try await digests(of: out) == expected, "round \(round)")
        try await SubprocessRunner().run("rm", "-rf", out.string)
      }
    }
  }

  /// The SHA-256 of each file of an output folder but those of its log, by name.
  private func digests(of folder: FilePath) async throws -> [String: String] {
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.string)
    var digests: [String: String] = [:]
    for name in names where name.hasPrefix("nixos.") || name == "efi-vars.fd" {
      digests[name] = String(
        try await SubprocessRunner().run("sha256sum", folder.appending(name).string).prefix(64))
    }
    return digests
  }
}

/// Another host: an ordinary user's, with a store of its own that was filled in another order, is optimised, and has
/// holes where it can.
private struct OtherHost {
  let home: FilePath
  private let user: NixUser
  private let system: String

  init(holding system: String, in scratch: FilePath) async throws {
    home = scratch.appending("home")
    user = try await NixUser(home: home)
    self.system = system
    try await user.add(closureOf: system)
    let runner = SubprocessRunner()
    let root = user.root.string
    // Copied backwards, so that no inode has the place that it had, and dug out where there are zeros.
    try await runner.run(
      "sh", "-c",
      """
      cd "$1/nix/store" && chmod u+w . && for path in $(ls -r | grep -- -); do
        cp -a --sparse=always "$path" "../moved" && rm -rf "$path" && mv ../moved "$path"
      done
      """, "sh", root)
    try await runner.run("nix-store", "--store", root, "--optimise")
    try await runner.run("chown", "-R", "65534:65534", home.string)
  }

  /// Builds under circumstances that differ with each round: clock, zone, locale, umask, host name, folder, processors,
  /// memory, load, kernel of the appliance, libvirt.
  func build(_ round: Int, _ arguments: [String]) async throws -> SlipwayCommand.Result {
    let folder = home.appending("folder \(round)")
    try FileManager.default.createDirectory(atPath: folder.string, withIntermediateDirectories: true)
    try await SubprocessRunner().run("chown", "65534:65534", folder.string)
    let processors = [1, 3, 2, 4][round % 4]
    let kernels = try kernels()
    let kernel = kernels[round % kernels.count]
    let load = round % 2
    let isByDaemon = round % 3 == 0
    let runtime = home.appending("run")
    try FileManager.default.createDirectory(
      atPath: runtime.string, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    try await SubprocessRunner().run("chown", "65534:65534", runtime.string)
    // libvirt starts it by itself, and it would outlive the test by two minutes.
    defer { if isByDaemon { for daemon in ["libvirtd", "virtlogd"] { OrdinaryUser.end(daemon) } } }
    let wrapper = [
      "unshare", "--uts", "--mount", "sh", "-c",
      """
      mount -t tmpfs -o mode=1777 tmpfs /dev/shm
      hostname "variation\(round)"; cd "\(folder)"; umask \(["077", "002", "027"][round % 3])
      load=
      for _ in $(seq \(load * 2)); do (while :; do :; done) & load="$load $!"; done
      trap '[ -z "$load" ] || kill $load' EXIT
      "$@"
      """, "sh",
    ]
    var environment = OrdinaryUser.environment(home: home)
    environment["TZ"] = ["Pacific/Kiritimati", "America/St_Johns", "Asia/Kathmandu"][round % 3]
    environment["LC_ALL"] = ["C.UTF-8", "tr_TR.UTF-8", "POSIX"][round % 3]
    if isByDaemon { environment["XDG_RUNTIME_DIR"] = runtime.string }
    // For that user's processes alone, in an empty /dev/shm: libfaketime names its semaphores after process ids, leaves
    // them behind, and ends a process that may not open the one of its name. The shell is there because it moves the
    // environment of the first process, where Swift's runtime looks for the arguments.
    let clock = [
      "env", "LD_PRELOAD=/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1", "FAKETIME=+\(400 * round)d",
      "DONT_FAKE_MONOTONIC=1", "sh", "-c", "\"$@\"", "sh",
    ]
    return try await SlipwayCommand.run(
      ["build", "--system", user.file(of: system).string, "--cpus", "\(processors)"]
        + [
          "--mem-size", "\(1024 + 160 * round)", "--kernel", "/boot/vmlinuz-\(kernel)", "--modules",
          "/lib/modules/\(kernel)",
        ] + (isByDaemon ? ["--connect", "qemu:///session"] : []) + arguments,
      wrapper: wrapper + OrdinaryUser.wrapper + clock, environment: environment)
  }

  /// The versions of those of this machine whose modules are there.
  private func kernels() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: "/boot").filter { $0.hasPrefix("vmlinuz-") }
      .map { String($0.dropFirst("vmlinuz-".count)) }
      .filter { FileManager.default.fileExists(atPath: "/lib/modules/\($0)") }.sorted()
  }
}

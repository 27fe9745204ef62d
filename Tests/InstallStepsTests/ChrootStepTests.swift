internal import AgentProtocol
internal import Command
internal import Glibc
internal import Synchronization
internal import SystemPackage
internal import TestSupport
internal import Testing

@testable internal import InstallSteps

private let system = "/nix/store/abc-nixos"

/// A root with a system whose `sw` is an absolute link, as NixOS's is.
private func withRoot(_ names: [String], _ body: (FilePath) async throws -> Void) async throws {
  try await withScratchDirectory { root in
    for name in names { try root.appending(name).write("") }
    try root.appending("\(system)/sw").link(to: "/nix/store/def-system-path")
    try root.appending("nix/var/nix/profiles/system").link(to: "system-1-link")
    try root.appending("nix/var/nix/profiles/system-1-link").link(to: system)
    try root.appending("etc").makeDirectory()
    try await body(root)
  }
}

/// Does what `chown` in a chroot does with names: alice is 1234 and group users is 100.
private struct ChownRunner: CommandRunner {
  func run(_ command: Command, log: @escaping @Sendable (String) -> Void) async throws -> String {
    let (root, owner, path) = (command.arguments[0], command.arguments[2], command.arguments[4])
    try #require(owner == "alice:users" && command.arguments[1].hasSuffix("/sw/bin/chown"))
    try checked("chown") { chown(root + path, 1234, 100) }
    return ""
  }
}

@Suite("setOwners", .needsRoot)
struct SetOwnersTests {
  private static let marker: UInt32 = 0xfffd_0003

  private func setOwners(_ path: String, in root: FilePath, _ log: EventLog = EventLog()) async throws {
    try root.appending("run").makeDirectory()
    try await log.context(ChownRunner(), root: root).setOwners(
      [OwnedPath(path: path, user: "alice", group: "users", marker: Self.marker)],
      in: Chroot(root: root.string, system: system))
  }

  private func mark(_ path: FilePath) throws {
    try checked("mark") { lchown(path.string, Self.marker, Self.marker) }
  }

  @Test("only what is marked gets the owner, with its set-user-id and set-group-id bits and links themselves")
  func onlyTheMarked() async throws {
    try await withRoot([]) { root in
      for name in ["srv/d/plain", "srv/d/suid", "srv/d/deep/a", "srv/d/other", "outside"] {
        try root.appending(name).write("")
      }
      try root.appending("srv/d/link").link(to: "/outside")
      // A name that is not UTF-8.
      let odd = root.appending("srv/d").appending(
        try #require(FilePath.Component(platformString: [-1, -2, 0])))
      try checked("create") { close(open(odd.withPlatformString { strdup($0) }, O_CREAT | O_WRONLY, 0o600)) }
      for name in ["srv/d", "srv/d/plain", "srv/d/suid", "srv/d/deep", "srv/d/deep/a", "srv/d/link"] {
        try mark(root.appending(name))
      }
      try checked("mark") { odd.withPlatformString { lchown($0, Self.marker, Self.marker) } }
      try checked("mode") { chmod(root.appending("srv/d/suid").string, 0o6755) }
      try checked("mode") { chmod(root.appending("srv/d/deep").string, 0o2750) }
      try await setOwners("/srv/d", in: root)
      for name in ["srv/d", "srv/d/plain", "srv/d/suid", "srv/d/deep", "srv/d/deep/a", "srv/d/link"] {
        let status = try root.appending(name).status()
        #expect(status.st_uid == 1234 && status.st_gid == 100, "\(name)")
      }
      var status = Glibc.stat()
      try checked("look") { odd.withPlatformString { lstat($0, &status) } }
      #expect(status.st_uid == 1234)
      #expect(try root.appending("srv/d/suid").status().st_mode & 0o7777 == 0o6755)
      #expect(try root.appending("srv/d/deep").status().st_mode & 0o7777 == 0o2750)
      for name in ["srv", "srv/d/other", "outside"] {
        #expect(try root.appending(name).status().st_uid == 0, "\(name)")
      }
    }
  }

  @Test("a pattern into the root gives away what it matched, and nothing of the store")
  func root() async throws {
    try await withRoot(["nix/store/def/file", "a", "b"]) { root in
      try mark(root.appending("a"))
      try await setOwners("/", in: root)
      #expect(try root.appending("a").status().st_uid == 1234)
      #expect(try root.appending("b").status().st_uid == 0)
      #expect(try root.appending("nix/store/def/file").status().st_uid == 0)
    }
  }

  @Test("contents that activation took away are told of", arguments: ["/srv/gone", "/srv/gone/deep", "/a/b"])
  func gone(path: String) async throws {
    try await withRoot(["a"]) { root in
      let log = EventLog()
      try await setOwners(path, in: root, log)
      #expect(log.warnings.count == 1)
      #expect(log.warnings.first?.contains(path) == true)
    }
  }

  @Test("a user that the system does not know fails the step")
  func unknown() async throws {
    try await withRoot(["run/x"]) { root in
      let runner = RecordingRunner(failing: ["\(system)/sw/bin/chown": ["unknown user alice"]])
      let paths = [OwnedPath(path: "/srv/-a", user: "alice", group: "100", marker: 7)]
      let failure = await #expect(throws: StepFailure.self) {
        try await EventLog().context(runner, root: root).setOwners(
          paths, in: Chroot(root: root.string, system: system))
      }
      #expect(failure?.message.contains("'/srv/-a' cannot be given to alice:100") == true)
      #expect(failure?.output == ["unknown user alice"])
    }
  }
}

@Suite("runScript")
struct RunScriptTests {
  private func run(_ runner: RecordingRunner, in root: FilePath) async throws {
    try await EventLog().context(runner, root: root).runScript(
      "echo 'a b'\n", in: Chroot(root: root.string, system: system))
  }

  @Test("the target's own shell, from a file that nobody else can read")
  func command() async throws {
    try await withRoot(["bin/sh", "run/slipway-home/x"]) { root in
      let runner = RecordingRunner()
      try await run(runner, in: root)
      #expect(
        runner.recorded.map(\.arguments) == [
          [root.string, "/bin/sh", "-e", "/run/slipway-home/post-install"]
        ])
      #expect(!Files.exists("\(root)/run/slipway-home/post-install"))
    }
  }

  @Test("a failure is the step's, with the script's last lines")
  func failure() async throws {
    try await withRoot(["bin/sh", "run/slipway-home/x"]) { root in
      let runner = RecordingRunner(failing: ["/bin/sh": ["no such thing"]])
      let failure = await #expect(throws: StepFailure.self) {
        try await run(runner, in: root)
      }
      #expect(failure?.message.contains("postInstall failed") == true)
      #expect(failure?.output == ["no such thing"])
    }
  }

  @Test("a system without a shell is told")
  func noShell() async throws {
    try await withRoot([]) { root in
      let failure = await #expect(throws: StepFailure.self) {
        try await run(RecordingRunner(), in: root)
      }
      #expect(failure?.message.contains("/bin/sh") == true)
    }
  }
}

@Suite("activate")
struct ActivateTests {
  @Test("activation, then tmpfiles, in a fixed environment")
  func commands() async throws {
    try await withRoot(["nix/store/abc-nixos/activate", "nix/store/def-system-path/bin/systemd-tmpfiles"]) {
      let (runner, log) = (RecordingRunner(), EventLog())
      try await log.context(runner, root: $0).activate(in: Chroot(root: $0.string, system: system))
      #expect(runner.recorded.map(\.executable) == ["chroot", "chroot"])
      #expect(
        runner.recorded.map(\.arguments) == [
          [$0.string, "\(system)/activate"],
          [$0.string, "\(system)/sw/bin/systemd-tmpfiles", "--create", "--remove", "-E"],
        ])
      #expect(
        runner.recorded.first?.environment == [
          "HOME": "/run/slipway-home", "IN_NIXOS_ENTER": "1", "LC_ALL": "C",
          "LOCALE_ARCHIVE": "\(system)/sw/lib/locale/locale-archive",
          "PATH": "\(system)/sw/bin:\(system)/sw/sbin:/usr/sbin:/usr/bin:/sbin:/bin", "PERL_HASH_SEED": "0",
          "PERL_PERTURB_KEYS": "0", "PYTHONHASHSEED": "0",
          "SOURCE_DATE_EPOCH": "315532800", "TZ": "UTC",
        ])
      #expect(log.warnings == [])
    }
  }

  @Test("a failure is a warning with the command's last lines, and tmpfiles run all the same")
  func warning() async throws {
    try await withRoot(["nix/store/abc-nixos/activate", "nix/store/def-system-path/bin/systemd-tmpfiles"]) {
      let (runner, log) = (RecordingRunner(failing: ["\(system)/activate": ["no such group"]]), EventLog())
      try await log.context(runner, root: $0).activate(in: Chroot(root: $0.string, system: system))
      #expect(runner.recorded.count == 2)
      #expect(log.warnings.count == 1)
      #expect(log.warnings.first?.contains("no such group") == true)
    }
  }

  @Test("without tmpfiles only activation runs; without activation nothing does")
  func missing() async throws {
    try await withRoot(["nix/store/abc-nixos/activate"]) {
      let runner = RecordingRunner()
      let chroot = Chroot(root: $0.string, system: system)
      try await EventLog().context(runner, root: $0).activate(in: chroot)
      #expect(runner.recorded.count == 1)
    }
    try await withRoot([]) { root in
      await #expect(throws: StepFailure.self) {
        try await EventLog().context(RecordingRunner(), root: root).activate(
          in: Chroot(root: root.string, system: system))
      }
    }
  }
}

@Suite("installBootLoader")
struct InstallBootLoaderTests {
  private let program = "\(system)/bin/switch-to-configuration"

  @Test("the system's own program runs, told to install")
  func command() async throws {
    try await withRoot(["nix/store/abc-nixos/bin/switch-to-configuration"]) {
      let runner = RecordingRunner()
      let chroot = Chroot(root: $0.string, system: system)
      try await EventLog().context(runner, root: $0).installBootLoader(in: chroot)
      #expect(runner.recorded.map(\.arguments) == [[$0.string, program, "boot"]])
      #expect(runner.recorded.first?.environment["NIXOS_INSTALL_BOOTLOADER"] == "1")
      #expect(try $0.appending("etc/mtab").linkDestination() == "/proc/mounts")
    }
  }

  @Test("or told nothing, so that the bootloader that is there stays")
  func commandWithoutInstallation() async throws {
    try await withRoot(["nix/store/abc-nixos/bin/switch-to-configuration"]) {
      let runner = RecordingRunner()
      let chroot = Chroot(root: $0.string, system: system)
      try await EventLog().context(runner, root: $0).installBootLoader(in: chroot, installsLoader: false)
      #expect(runner.recorded.map(\.arguments) == [[$0.string, program, "boot"]])
      #expect(runner.recorded.first?.environment["NIXOS_INSTALL_BOOTLOADER"] == nil)
    }
  }

  @Test("secret files are there for the program alone, and gone when it has failed")
  func secrets() async throws {
    try await withRoot(["nix/store/abc-nixos/bin/switch-to-configuration"]) { root in
      try root.appending("run").makeDirectory()
      let runner = LookingRunner(folder: root.appending("run/slipway-secrets"))
      var context = EventLog().context(runner, root: root)
      context.secrets = [SecretFile(name: "sign.key", variable: "SIGN_KEY", text: "hush")]
      let failure = await #expect(throws: StepFailure.self) {
        try await context.installBootLoader(in: Chroot(root: root.string, system: system))
      }
      #expect(runner.seen == ["sign.key 600 hush"])
      #expect(try Files.names(in: root.appending("run/slipway-secrets").string).isEmpty)
      #expect(failure?.command?.contains("SIGN_KEY=/run/slipway-secrets/sign.key") == true)
      #expect(!String(reflecting: failure).contains("hush"))
    }
  }

  @Test("a missing switch-to-configuration is named with its remedies")
  func missing() async throws {
    try await withRoot([]) { root in
      let failure = await #expect(throws: StepFailure.self) {
        try await EventLog().context(RecordingRunner(), root: root).installBootLoader(
          in: Chroot(root: root.string, system: system))
      }
      #expect(failure?.remedy?.contains("system.switch.enable") == true)
      #expect(failure?.remedy?.contains("installBootLoader = false") == true)
    }
  }

  @Test(
    "a device of GRUB's that is not there is named with the key that gives it",
    arguments: [
      ("installing the GRUB 2 boot loader on /dev/sda...", "/dev/sda"),
      (
        "grub-install: error: failed to get canonical path of `/dev/disk/by-id/ata-x'.",
        "/dev/disk/by-id/ata-x"
      ),
      ("grub-install: error: cannot copy to /dev/vda.", nil), ("bootctl: no /dev/sda", nil),
      ("grub-probe: error: /boot/grub: no such file", nil),
    ])
  func missingDevice(line: String, device: String?) async throws {
    try await withRoot(["nix/store/abc-nixos/bin/switch-to-configuration", "dev/vda"]) { root in
      let devices = DeviceTree(sys: "/sys", dev: root.appending("dev").string)
      let failure = await #expect(throws: StepFailure.self) {
        try await EventLog().context(RecordingRunner(failing: ["boot": [line]]), root: root, devices: devices)
          .installBootLoader(in: Chroot(root: root.string, system: system))
      }
      #expect(
        failure?.remedy?.contains("\(device ?? "none") as grubDevice (--grub-device)")
          == (device.map { _ in true }))
    }
  }

  @Test("a failure brings the command and its last lines", arguments: ["bootctl: boom"])
  func failure(line: String) async throws {
    try await withRoot(["nix/store/abc-nixos/bin/switch-to-configuration"]) { root in
      let failure = await #expect(throws: StepFailure.self) {
        try await EventLog().context(RecordingRunner(failing: ["boot": [line]]), root: root)
          .installBootLoader(in: Chroot(root: root.string, system: system))
      }
      #expect(failure?.output == [line])
      #expect(failure?.command?.contains("NIXOS_INSTALL_BOOTLOADER=1") == true)
    }
  }
}

/// Notes what is in a folder while it runs, and fails.
private final class LookingRunner: CommandRunner {
  private let folder: FilePath
  private let notes = Mutex<[String]>([])

  init(folder: FilePath) {
    self.folder = folder
  }

  var seen: [String] { notes.withLock { $0 } }

  func run(_ command: Command, log: @escaping @Sendable (String) -> Void) async throws -> String {
    for name in try Files.names(in: folder.string) {
      let file = folder.appending(name).string
      var status = stat()
      try checked("look at \(file)") { lstat(file, &status) }
      let mode = String(status.st_mode & 0o777, radix: 8)
      let text = try Files.text(of: file)
      notes.withLock { $0.append("\(name) \(mode) \(text)") }
    }
    throw CommandFailure(command: command, reason: .exited(1), tail: [])
  }
}

import Basics
import BuildPlan
import Command
import Foundation
import Glibc
import ImageBuilder
import SystemPackage
import TestSupport
import Testing

/// Generations that are added to images that are there already.
@Suite(.virtualMachines, .serialized) struct AddGenerationTests {
  private static let profiles = "/nix/var/nix/profiles"

  private func build(_ system: String, to out: FilePath, _ flags: [String] = []) async throws {
    let built = try await SlipwayCommand.run(
      ["build", "--system", system, "--out", out.string, "--additional-space", "64M"] + flags)
    try #require(built.status == 0, "\(built.errors)")
  }

  private func add(
    _ system: String, to image: FilePath, _ flags: [String],
    meanwhile: @escaping @Sendable (Int32) async throws -> Void = { _ in }
  ) async throws -> SlipwayCommand.Result {
    try await SlipwayCommand.run(
      ["add-generation", image.string, "--system", system] + flags, meanwhile: meanwhile)
  }

  private func digests(_ files: [FilePath]) async throws -> String {
    try await SubprocessRunner().run(Command("sha256sum", files.map(\.string)))
  }

  /// Expects that a real Nix finds every path of an image's store as its database says.
  private func nixAccepts(_ image: FilePath, partition: Int, in scratch: FilePath) async throws {
    let runner = SubprocessRunner()
    let table = try await runner.run("sfdisk", "--dump", image.string)
    let line = try #require(table.split(separator: "\n").first { $0.hasPrefix("\(image)\(partition) :") })
    let start = try #require(line.firstMatch(of: /start= *([0-9]+)/).flatMap { Int($0.1) })
    let root = scratch.appending("nix-root")
    try FileManager.default.createDirectory(atPath: root.string, withIntermediateDirectories: true)
    try await runner.run("debugfs", "-R", "rdump /nix \(root)", "\(image)?offset=\(start * 512)")
    try await runner.run("nix-store", "--verify", "--check-contents", "--store", "local?root=\(root)")
    let systems = try await runner.run("nix-store", "--gc", "--print-roots", "--store", "local?root=\(root)")
    for link in ["system-1-link", "system-2-link"] {
      #expect(systems.contains("\(Self.profiles)/\(link) -> "), "\(systems)")
    }
  }

  /// Expects that each generation of an image boots, and is what it says that it is.
  private func verifyAll(_ image: [String], boots systems: [String]) async throws {
    let verified = try await SlipwayCommand.run(["verify", "--all", "--json"] + image)
    #expect(verified.status == 0, "\(verified.errors)\(verified.output)")
    for system in systems { #expect(verified.output.contains(system), "\(verified.output)") }
  }

  @Test("a generation comes to an image of systemd-boot, and both boot")
  func systemdBootGetsAGeneration() async throws {
    try await withScratchDirectory { scratch in
      let (base, out) = (scratch.appending("base"), scratch.appending("r"))
      let systems = [try await TestSystem.path("tiny"), try await TestSystem.path("tiny-b")]
      try await build(systems[0], to: base)
      let files = ["nixos.img", "efi-vars.fd", "manifest.json"].map { base.appending($0) }
      let before = try await digests(files)
      let added = try await add(systems[1], to: base, ["--out", out.string])
      try #require(added.status == 0, "\(added.errors)")
      #expect(added.output.contains("generation 2 of the profile system: \(systems[1])"), "\(added.output)")
      #expect(try await digests(files) == before)

      let manifest = try JSONDecoder().decode(
        Manifest.self, from: Data(contentsOf: URL(filePath: out.appending("manifest.json").string)))
      #expect(manifest.generations?.systems == systems && manifest.generations?.current == 2)
      #expect(manifest.system == systems[1] && !manifest.sealed && manifest.directPath != nil)
      try await verifyAll([out.string], boots: systems)

      let shown = try await ConsoleSession.run(
        image: out.appending("nixos.img"), format: "raw", variables: out.appending("efi-vars.fd"),
        scratch: scratch,
        commands: [
          ConsoleChecks.definition,
          ConsoleChecks.check("booted", "[ $(readlink /run/booted-system) = \(systems[1]) ]"),
          ConsoleChecks.check("profile", "[ $(readlink \(Self.profiles)/system) = system-2-link ]"),
          ConsoleChecks.check("link-1", "[ $(readlink \(Self.profiles)/system-1-link) = \(systems[0]) ]"),
          ConsoleChecks.check("link-2", "[ $(readlink \(Self.profiles)/system-2-link) = \(systems[1]) ]"),
          ConsoleChecks.check("clean", "[ $(ls -A /nix/store /nix/var/nix | grep -c slipway) = 0 ]"),
          ConsoleChecks.end,
        ], until: ConsoleChecks.ended)
      let missing = ConsoleChecks.missing(["booted", "profile", "link-1", "link-2", "clean"], in: shown)
      #expect(missing.isEmpty, "\(missing): \(shown.suffix(6000))")
      try await nixAccepts(out.appending("nixos.img"), partition: 2, in: scratch)
      // The system that an image is at keeps its number.
      let again = scratch.appending("again")
      let repeated = try await add(systems[1], to: out, ["--out", again.string])
      try #require(repeated.status == 0, "\(repeated.errors)")
      #expect(repeated.output.contains("generation 2 of the profile system"), "\(repeated.output)")
    }
  }

  @Test("a generation comes to a foreign copy of an image that boots by BIOS, without a manifest")
  func grubGetsAGeneration() async throws {
    try await withScratchDirectory { scratch in
      let (base, out) = (scratch.appending("base"), scratch.appending("r"))
      let systems = [try await TestSystem.path("grub-bios"), try await TestSystem.path("grub-bios-b")]
      try await build(systems[0], to: base, ["--partition-table-type", "legacy"])
      let image = scratch.appending("my disk.qcow2")
      try await SubprocessRunner().run(
        "qemu-img", "convert", "-f", "raw", "-O", "qcow2", base.appending("nixos.img").string, image.string)
      let before = try await digests([image])
      let added = try await add(systems[1], to: image, ["--out", out.string])
      try #require(added.status == 0, "\(added.errors)")
      #expect(added.output.contains("no manifest.json"), "\(added.output)")
      #expect(try await digests([image]) == before)
      let names = try FileManager.default.contentsOfDirectory(atPath: out.string).sorted()
      #expect(names == ["log", "my disk.qcow2", "nix-support"])
      let options = ["--image", out.appending("my disk.qcow2").string, "--bios"]
      try await verifyAll(options, boots: systems)
    }
  }

  /// Its root is read by libguestfs.
  @Test(.sweep, arguments: ["xfs", "btrfs"])
  func aRootOfAnotherKindGetsAGeneration(kind: String) async throws {
    try await withScratchDirectory { scratch in
      let (base, out) = (scratch.appending("base"), scratch.appending("r"))
      let systems = [try await TestSystem.path("tiny"), try await TestSystem.path("tiny-b")]
      try await build(systems[0], to: base, ["--fs-type", kind])
      let added = try await add(systems[1], to: base, ["--out", out.string])
      try #require(added.status == 0, "\(added.errors)")
      #expect(!added.errors.contains("libvirt"), "\(added.errors)")
      try await verifyAll([out.string], boots: systems)
    }
  }

  @Test func whatCannotBeAddedIsRefusedAndNothingIsLeft() async throws {
    try await withScratchDirectory { scratch in
      let tiny = try await TestSystem.path("tiny")
      let (blank, overlay) = (scratch.appending("blank.img"), scratch.appending("overlay.qcow2"))
      try await SubprocessRunner().run("truncate", "-s", "8M", blank.string)
      try await SubprocessRunner().run(
        "qemu-img", "create", "-q", "-f", "qcow2", "-b", blank.string, "-F", "raw", overlay.string)
      for (image, words) in [
        (blank, "no filesystem on it has a Nix store"), (overlay, "is not a whole image"),
      ] {
        let refused = try await add(tiny, to: image, ["--out", scratch.appending("r").string])
        #expect(refused.status == 2 && refused.errors.contains(words), "\(refused.errors)")
      }
      let names = try FileManager.default.contentsOfDirectory(atPath: scratch.string).sorted()
      #expect(names == ["blank.img", "overlay.qcow2"])
    }
  }

  // MARK: - Power cuts

  /// How many times the machine that installs is killed.
  private static let cuts = 10

  @Test("an earlier generation boots from a disk whose machine was killed", .sweep, .timeLimit(.minutes(60)))
  func earlierGenerationsBootWhereverTheMachineWasKilled() async throws {
    try await withScratchDirectory { scratch in
      let base = scratch.appending("base")
      let systems = [try await TestSystem.path("tiny"), try await TestSystem.path("tiny-c")]
      try await build(systems[0], to: base)
      let whole = try await stepTimes(systems[1], base, scratch)
      for number in 0..<Self.cuts {
        let cut = scratch.appending("cut.img")
        let out = scratch.appending("r")
        var seconds = whole * (Double(number) + 0.5) / Double(Self.cuts)
        var killed: SlipwayCommand.Result
        repeat {
          try? FileManager.default.removeItem(atPath: cut.string)
          try? FileManager.default.removeItem(atPath: out.string)
          let wait = seconds
          // A restored machine that ends before its first step is no failure: another one boots.
          killed = try await add(systems[1], to: base, ["--out", out.string, "--start", "cold"]) {
            try await Self.kill($0, in: scratch, after: wait, keeping: cut)
          }
          // One that came too late is no cut; the machine that was measured had less of the host.
          seconds /= 2
        } while killed.status == 0 && seconds > 0.01
        #expect(killed.status == 1, "cut \(number): \(killed.errors)")
        #expect(!FileManager.default.fileExists(atPath: out.string))
        let shown = try await ConsoleSession.run(
          image: cut, format: "raw", variables: base.appending("efi-vars.fd"), scratch: scratch,
          commands: checks(of: systems), until: ConsoleChecks.ended)
        let missing = ConsoleChecks.missing(["booted", "entry", "kernel", "initrd"], in: shown)
        #expect(
          missing.isEmpty,
          "cut \(number) after \(2 * seconds) s: \(missing): \(killed.errors) \(shown.suffix(6000))")
      }
    }
  }

  private func checks(of systems: [String]) -> [String] {
    let entry = "/boot/loader/entries/nixos-generation-1.conf"
    return [
      ConsoleChecks.definition,
      ConsoleChecks.check(
        "booted",
        "[ $(readlink /run/booted-system) = \(systems[0]) ] || [ $(readlink /run/booted-system) = \(systems[1]) ]"
      ),
      ConsoleChecks.check("entry", "grep -q init=\(systems[0])/init \(entry)"),
      ConsoleChecks.check("kernel", "cmp /boot$(sed -n \"s/^linux //p\" \(entry)) \(systems[0])/kernel"),
      ConsoleChecks.check("initrd", "cmp /boot$(sed -n \"s/^initrd //p\" \(entry)) \(systems[0])/initrd"),
      ConsoleChecks.end,
    ]
  }

  /// How long the guest works on the disk, from the disk's first step on, in seconds.
  private func stepTimes(_ system: String, _ base: FilePath, _ scratch: FilePath) async throws -> Double {
    let out = scratch.appending("whole")
    let added = try await add(system, to: base, ["--out", out.string])
    try #require(added.status == 0, "\(added.errors)")
    struct Report: Decodable {
      struct Step: Decodable {
        var name: String
        var seconds: Double
      }
      var steps: [Step]
    }
    let report = try JSONDecoder().decode(
      Report.self, from: Data(contentsOf: URL(filePath: out.appending("log/build.json").string)))
    let names: Set = [
      "adoptDisk", "mountFilesystem", "addStorePaths", "setSystemProfile", "writeBack", "installBootLoader",
    ]
    return report.steps.filter { names.contains($0.name) }.map(\.seconds).reduce(0, +)
  }

  /// Kills the QEMU that has the copy of the image, some time after it has got it, and keeps the copy by another name. On a thread
  /// of its own, as the machine works for two seconds only, and does not wait for tasks that are busy.
  private static func kill(
    _ slipway: Int32, in scratch: FilePath, after seconds: Double, keeping cut: FilePath
  ) async throws {
    try await onThread {
      while !isEnded(slipway) {
        let folders = (try? FileManager.default.contentsOfDirectory(atPath: scratch.string)) ?? []
        let disks = folders.filter { $0.hasPrefix(".slipway-") }.map { "\(scratch)/\($0)/target.raw" }
        if let (process, disk) = disks.lazy.compactMap({ disk in emulator(of: disk).map { ($0, disk) } })
          .first
        {
          try #require(Glibc.link(disk, cut.string) == 0)
          usleep(UInt32(seconds * 1_000_000))
          // One that is at its end by now shows in how slipway ends.
          _ = Glibc.kill(process, SIGKILL)
          return
        }
        usleep(1000)
      }
      Issue.record("no machine had the copy of the image")
    }
  }

  /// Whether a process has ended, though nobody has waited for it yet.
  private static func isEnded(_ process: Int32) -> Bool {
    // Not by its arguments: it has none for a moment when it begins, too.
    let status = String(
      decoding: FileManager.default.contents(atPath: "/proc/\(process)/stat") ?? Data(), as: UTF8.self)
    return status.isEmpty || status.contains(") Z ")
  }

  /// The QEMU that has a file open.
  private static func emulator(of file: String) -> Int32? {
    let processes = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return processes.compactMap { Int32($0) }.first { process in
      let name = FileManager.default.contents(atPath: "/proc/\(process)/comm") ?? Data()
      guard String(decoding: name, as: UTF8.self).hasPrefix("qemu-system") else { return false }
      let files = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/fd")) ?? []
      return files.contains {
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/fd/\($0)")) == file
      }
    }
  }
}

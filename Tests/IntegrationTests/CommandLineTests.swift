import BuildPlan
import Command
import Foundation
import ImageBuilder
import SystemPackage
import TestSupport
import Testing

/// What the command line says and how it ends, without a machine being started.
@Suite(.virtualMachines) struct CommandLineTests {
  @Test(arguments: [
    [], ["build"], ["plan"], ["verify"], ["test"], ["run"], ["doctor"], ["appliance"],
    ["appliance", "build"],
    ["cache"],
    ["cache", "list"], ["cache", "prune"], ["schema"], ["add-generation"], ["inspect"], ["diff"],
    ["reproduce"],
    ["efivars"], ["efivars", "show"], ["efivars", "get"], ["efivars", "set"], ["efivars", "delete"],
    ["efivars", "diff"], ["efivars", "check"], ["efivars", "canonicalise"], ["efivars", "boot-next"],
    ["efivars", "enroll"], ["efivars", "new"], ["efivars", "export"], ["efivars", "import"],
  ])
  func helpIsTheGoldenText(command: [String]) async throws {
    let result = try await SlipwayCommand.run(command + ["--help"], environment: ["COLUMNS": "100"])
    #expect(result.status == 0)
    let name = (["help", "slipway"] + command).joined(separator: "-")
    try expectSnapshot(result.output + "\n", named: "\(name).txt")
  }

  /// Arguments that must be refused, and what the message must name.
  static let refusals: [([String], String)] = [
    (["build"], "system"),
    (["build", "--system", "/nowhere"], "/nowhere"),
    (["build", "--system", "/etc"], "/etc"),
    (["build", "--partition-table-type", "gpt"], "--partition-table-type"),
    (["build", "--unheard-of"], "--unheard-of"),
    (["build", "--disk-size", "huge"], "--disk-size"),
    (["build", "/nowhere/spec.json"], "/nowhere/spec.json"),
    (["plan", "--seed", "97FD5997-D90B-4AA3-8D16-C1723AEA73C"], "--seed"),
    (["verify"], "--image"),
    (["verify", "/nowhere"], "/nowhere"),
    (["verify", "--image", "/nowhere.img"], "/nowhere.img"),
    (["verify", "--image", "/dev/null", "--expect", "("], "--expect"),
    (["verify", "--image", "/dev/null"], "--format"),
    (["verify", "--image", "/dev/null", "--timeout", "0"], "--timeout"),
    (["run"], "--image"),
    (["run", "/nowhere"], "/nowhere"),
    (["run", "/nowhere", "--forward", "22"], "--forward 22"),
    (["run", "/nowhere", "--forward", "2222:22", "--forward", "2222:80"], "twice"),
    (["run", "/nowhere", "--forward", "2222:22", "--no-network"], "--no-network"),
    (["run", "/nowhere", "--window", "--vnc"], "--vnc"),
    (["run", "/nowhere", "--vnc", "--vnc-address", "here"], "--vnc-address"),
    (["run", "/nowhere", "--cpus", "0"], "processors"),
    (["run", "--keep", "/etc"], "/etc"),
    (["build", "--system", "/x", "--vm-template", "/nowhere.xml"], "/nowhere.xml"),
    (["test", "/nowhere.yaml"], "/nowhere.yaml"),
    (["test", "/dev/null"], "/dev/null:1: "),
    (["test", "/dev/null", "--system", "tiny"], "'tiny'"),
  ]

  @Test(arguments: refusals)
  func badInputEndsWithTwo(arguments: [String], word: String) async throws {
    let result = try await SlipwayCommand.run(arguments)
    #expect(result.status == 2, "\(result.errors)")
    #expect(result.errors.contains(word), "\(result.errors)")
  }

  @Test func aWindowNeedsADisplay() async throws {
    let result = try await SlipwayCommand.run(["run", "/nowhere", "--window"], environment: ["DISPLAY": ""])
    #expect(result.status == 3, "\(result.errors)")
    #expect(result.errors.contains("--vnc"), "\(result.errors)")
  }

  @Test func aSpecWithAnUnknownKeyNamesIt() async throws {
    try await withScratchDirectory { scratch in
      let spec = scratch.appending("spec.json").string
      let json = #"{"system": "/x", "partionTableType": "efi"}"#
      try json.write(toFile: spec, atomically: true, encoding: .utf8)
      let result = try await SlipwayCommand.run(["build", spec, "--out", scratch.appending("r").string])
      #expect(result.status == 2)
      #expect(result.cause.contains("partionTableType: no such key"), "\(result.errors)")
    }
  }

  @Test(.enabled(if: getuid() == 0, "needs root, to mount"))
  func anUnusableAcceleratorIsTheHosts() async throws {
    let system = try await TestSystem.path("tiny")
    // Where this machine has KVM, something else stands in its place.
    let hide = "if [ -e /dev/kvm ]; then mount --bind /dev/null /dev/kvm; fi; exec \"$@\""
    let result = try await SlipwayCommand.run(
      ["plan", "--system", system, "--accel", "kvm"], wrapper: ["unshare", "-m", "sh", "-c", hide, "sh"])
    #expect(result.status == 3, "\(result.errors)")
    #expect(result.cause.contains("KVM was asked for and is not usable: /dev/kvm"), "\(result.errors)")
    #expect(result.errors.contains("Leave out --accel kvm"), "\(result.errors)")
  }

  @Test func thePlanNeedsNoMachineAndIsTheSameEachTime() async throws {
    let system = try await TestSystem.path("tiny")
    let first = try await SlipwayCommand.run(["plan", "--system", system, "--json"])
    #expect(first.status == 0, "\(first.errors)")
    #expect(first.output == (try await SlipwayCommand.run(["plan", "--system", system, "--json"])).output)
    let text = try await SlipwayCommand.run(["plan", "--system", system])
    #expect(text.output.contains("installBootLoader"), "\(text.output)")
  }

  @Test(.enabled(if: getuid() == 0, "needs root, to mount"), arguments: [[], ["--only-nix-store"]])
  func aPlanWritesNothing(options: [String]) async throws {
    let system = try await TestSystem.path("tiny")
    let database = "/nix/var/nix/db"
    let before = try FileManager.default.contentsOfDirectory(atPath: database).sorted()
    // Read-only for root, too.
    let mount = "mount -t tmpfs -o ro none /mnt && mount --bind -o ro /nix /nix && exec \"$@\""
    let result = try await SlipwayCommand.run(
      ["plan", "--system", system] + options, wrapper: ["unshare", "-m", "sh", "-c", mount, "sh"],
      environment: [
        "HOME": "/mnt", "TMPDIR": "/mnt", "XDG_CACHE_HOME": "/mnt", "XDG_RUNTIME_DIR": "/mnt",
        "XDG_CONFIG_HOME": "/mnt",
      ])
    #expect(result.status == 0, "\(result.errors)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: database).sorted() == before)
  }

  @Test(arguments: ["squashfs", "erofs"])
  func aPlanMakesNoStore(kind: String) async throws {
    let system = try await TestSystem.path("tiny")
    try await withScratchDirectory { scratch in
      // A tool that tells when it runs.
      for tool in ["mksquashfs", "mkfs.erofs"] {
        try await SubprocessRunner().run(
          "sh", "-c",
          "printf '#!/bin/sh\\ntouch %s/ran' \(scratch) > \(scratch)/\(tool); chmod +x \(scratch)/\(tool)")
      }
      let result = try await SlipwayCommand.run(
        ["plan", "--system", system, "--only-nix-store", "--fs-type", kind],
        environment: ["PATH": "\(scratch):/usr/bin:/bin:/usr/sbin:/sbin"])
      #expect(result.status == 0, "\(result.errors)")
      #expect(result.errors.contains("known only after the build"), "\(result.errors)")
      #expect(!FileManager.default.fileExists(atPath: scratch.appending("ran").string))
    }
  }

  @Test func theSchemaIsPrinted() async throws {
    let result = try await SlipwayCommand.run(["schema"])
    #expect(result.status == 0)
    #expect(result.output == (try SpecSchema.json()).trimmingCharacters(in: .newlines))
    let scenarios = try await SlipwayCommand.run(["schema", "--scenario"])
    #expect(scenarios.output == (try ScenarioSchema.json()).trimmingCharacters(in: .newlines))
  }

  @Test(arguments: ["man1/slipway.1", "man5/slipway-spec.5"])
  func theManualPagesAreClean(page: String) async throws {
    let path = SlipwayCommand.prefix.appending("share/man/\(page)").string
    // A date would differ from build to build, so its absence is the one warning, for which mandoc's code is 2.
    let lint = try await SubprocessRunner().run(
      "sh", "-c", "mandoc -T lint -W warning \"$1\" || [ $? -eq 2 ]", "sh", path)
    let warnings = lint.split(separator: "\n")
    #expect(warnings.count == 1 && warnings.allSatisfy { $0.contains("missing date") }, "\(lint)")
    let text = try String(contentsOfFile: path, encoding: .utf8)
    let words = page.hasPrefix("man1") ? SpecFlag.all.map { "--\($0.name)" } : SpecKey.all.map(\.name)
    for word in words {
      #expect(text.contains("\\fB\(word.replacing("-", with: "\\-"))\\fR"), "\(word)")
    }
  }

  @Test func theCompletionsKnowTheFlags() async throws {
    let share = SlipwayCommand.prefix.appending("share")
    try await SubprocessRunner().run(
      "bash", "-n", share.appending("bash-completion/completions/slipway").string)
    for file in [
      "bash-completion/completions/slipway", "zsh/site-functions/_slipway",
      "fish/vendor_completions.d/slipway.fish",
    ] {
      let text = try String(contentsOfFile: share.appending(file).string, encoding: .utf8)
      for flag in SpecFlag.all { #expect(text.contains(flag.name), "\(file), \(flag.name)") }
    }
  }

  @Test func theDoctorFindsThisMachineAble() async throws {
    let result = try await SlipwayCommand.run(["doctor"])
    #expect(result.status == 0, "\(result.output)")
    #expect(result.output.contains("accelerator"), "\(result.output)")
    let json = try await SlipwayCommand.run(["doctor", "--json"])
    #expect(throws: Never.self) { try JSONSerialization.jsonObject(with: Data(json.output.utf8)) }
  }

  /// What `make deb` depends on.
  @Test func theDebianPackagesAreThoseOfEveryProgram() async throws {
    let result = try await SlipwayCommand.run(["doctor", "--debian-packages"])
    let packages = result.output.split(separator: "\n").map(String.init)
    #expect(packages == Set(ExternalTool.all.map(\.debianPackage)).sorted())
    #expect(Set(packages).isSuperset(of: ["qemu-system-x86", "e2fsprogs", "erofs-utils", "mtools", "kmod"]))
  }
}

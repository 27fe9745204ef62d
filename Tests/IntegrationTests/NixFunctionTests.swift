import BuildPlan
import Command
import Foundation
import ImageModel
import SystemPackage
import TestSupport
import Testing

/// `nix/make-disk-image.nix` and `nix/module.nix`, evaluated and built by Debian's Nix with packages in nixpkgs' shape.
@Suite(.virtualMachines, .serialized) struct NixFunctionTests {
  @Test func anOrdinaryUserBuildsInASandbox() async throws {
    try await withScratchDirectory { scratch in
      let user = try await NixUser(home: scratch.appending("home"))
      let arguments = try await arguments()
      try await add(packagesOf: arguments, to: user)
      let (path, log) = try await user.build(
        TestSystem.repository("nix/tests/image.nix"), arguments: arguments)
      let out = user.file(of: path)
      #expect(
        try FileManager.default.contentsOfDirectory(atPath: out.string).sorted()
          == ["copy.fd", "efi-vars.fd", "manifest.json", "nix-support", "nixos.qcow2"], "\(log)")
      let products = try String(
        contentsOfFile: out.appending("nix-support/hydra-build-products").string, encoding: .utf8)
      #expect(products == "file qcow2-image \(path)/nixos.qcow2\n")
      #expect(HydraProduct(line: products.dropLast())?.path == "\(path)/nixos.qcow2")
      #expect(try await VirtFirmware.linuxBootManager(in: out.appending("efi-vars.fd")) != nil)
      let verified = try await SlipwayCommand.run(["verify", out.string])
      #expect(verified.status == 0, "\(verified.errors)")
      // Nix itself builds it again, and compares all that is in the output.
      let (again, _) = try await user.build(
        TestSystem.repository("nix/tests/image.nix"), arguments: arguments, isChecked: true)
      #expect(again == path)
    }
  }

  /// Without a sandbox, where a build could write anywhere, and a `/homeless-shelter` stops later builds of the machine.
  @Test func attributesCountAtBuildTimeAndNothingIsLeftOutside() async throws {
    try await withScratchDirectory { scratch in
      let home = scratch.appending("home")
      let user = try await NixUser(home: home, settings: ["sandbox = false"])
      let arguments = try await arguments()
      try await add(packagesOf: arguments, to: user)
      let before = try names(in: home)
      let (path, log) = try await user.build(
        TestSystem.repository("nix/tests/overridden.nix"), arguments: arguments)
      // 640 MiB, without what the kernel keeps for itself; the function's default is 1024.
      let memory = try #require(
        log.lazy.compactMap { $0.firstMatch(of: /MemTotal: +([0-9]+) kB/) }.first, "\(log)")
      #expect((500_000..<655_360).contains(try #require(Int(memory.1))))
      #expect(log.contains { $0.contains("0x11e8") }, "QEMU's edu device is not there")
      let order = user.file(of: path).appending("order")
      #expect(try String(contentsOfFile: order.string, encoding: .utf8) == "pre post\n")
      #expect(try names(in: home) == before)
      #expect(!FileManager.default.fileExists(atPath: "/homeless-shelter"))
    }
  }

  private func names(in folder: FilePath) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.string).sorted()
  }

  /// By SSH, with a store of the builder's own; neither user is root.
  @Test func aRemoteBuilderBuilds() async throws {
    try await withScratchDirectory { scratch in
      let builder = try await NixUser(home: scratch.appending("builder"))
      let server = try await SSHServer(
        home: scratch.appending("ssh"), environment: builder.nixEnvironment.merging(["TMPDIR": "/tmp"]) { $1 }
      )
      let uri = "ssh://127.0.0.1?remote-store=\(builder.root)"
      let user = try await NixUser(
        home: scratch.appending("home"),
        settings: ["max-jobs = 0", "builders = \(uri) x86_64-linux \(server.key) 8 1"],
        sshOptions: server.options)
      let arguments = try await arguments()
      try await add(packagesOf: arguments, to: user)
      try await server.serve {
        let (path, log) = try await user.build(
          TestSystem.repository("nix/tests/image.nix"), arguments: arguments)
        #expect(
          log.contains { $0.hasPrefix("building") && $0.contains("-disk-image.drv' on 'ssh://") }, "\(log)")
        for name in ["nixos.qcow2", "efi-vars.fd"] {
          #expect(FileManager.default.fileExists(atPath: user.file(of: path).appending(name).string))
          #expect(FileManager.default.fileExists(atPath: builder.file(of: path).appending(name).string))
        }
      }
    }
  }

  @Test func everySpecIsOneThatSlipwayReads() async throws {
    let evaluation = try await evaluation()
    for (name, spec) in evaluation.specs.merging(["hooks": evaluation.hooks], uniquingKeysWith: { $1 }) {
      let json = try JSONSerialization.data(withJSONObject: spec)
      #expect(throws: Never.self, "\(name)") { try ResolvedSpec(ImageSpec(json: Array(json))) }
    }
  }

  @Test func defaultsAreThoseOfMakeDiskImage() async throws {
    let specs = try await evaluation().specs
    let defaults = try #require(specs["defaults"])
    expect(
      defaults,
      has: """
        {"additionalSpace": "512M", "baseName": "nixos", "cpus": 2, "diskSize": "auto", "format": "raw",
         "fsType": "ext4", "installBootLoader": true, "label": "nixos", "memSize": 1024, "onlyNixStore": false,
         "partitionTableType": "legacy", "rootFSUID": "F222513B-DED1-49FA-B591-20CE86A2FE7F",
         "rootGPUID": "F222513B-DED1-49FA-B591-20CE86A2FE7F", "touchEFIVars": false}
        """)
    #expect(defaults.count == 16)
  }

  @Test func argumentsBecomeKeysOfTheSpec() async throws {
    let evaluation = try await evaluation()
    let specs = evaluation.specs
    expect(specs["efi"], has: #"{"touchEFIVars": true}"#)
    let firmware = try #require(specs["efi"]?["efiFirmware"] as? String)
    #expect(firmware.hasPrefix("/nix/store/") && firmware.hasSuffix("/FV/OVMF_CODE.fd"))
    expect(specs["untouched"], has: #"{"touchEFIVars": false, "installBootLoader": false}"#)
    expect(specs["fixed"], has: #"{"diskSize": 2048, "bootSize": "128M"}"#)
    expect(specs["grub"], has: #"{"grubDevice": ["/dev/sda", "/dev/disk/by-id/b"]}"#)
    expect(specs["limine"], has: #"{"grubDevice": ["/dev/sdb"]}"#)
    #expect(specs["limineByEFI"]?["grubDevice"] == nil)
    expect(specs["esp"], has: #"{"espMountPoint": "/boot/efi", "partitionTableType": "hybrid"}"#)
    #expect(specs["espOfXBootLdr"]?["espMountPoint"] == nil)
    #expect(specs["espOfBIOS"]?["espMountPoint"] == nil)
    expect(specs["legacyBoot"], has: #"{"partitionTableType": "legacy+boot", "bootSize": "64M"}"#)
    #expect((specs["storeWithChannel"]?["copyChannel"] as? String)?.hasSuffix("-nixos-24.11") == true)
    expect(specs["extra"], has: #"{"cpus": 1, "seed": "00000000-0000-0000-0000-000000000001"}"#)
    expect(
      specs["generations"], has: #"{"currentGeneration": 1, "profile": "test", "grubDevice": ["/dev/sdb"]}"#)
    let systems = try #require(specs["generations"]?["systems"] as? [String])
    #expect(systems.count == 2 && systems[0] == specs["defaults"]?["system"] as? String)
    #expect(specs["generations"]?["system"] == nil)
    #expect(specs["fixed"]?["additionalSpace"] == nil)
    #expect(specs["seeded"]?["rootGPUID"] == nil)
    expect(specs["seeded"], has: #"{"deterministic": false}"#)
    #expect(specs["store"]?["label"] == nil)
    let contents = try #require(specs["contents"]?["contents"] as? [[String: String]])
    #expect(contents[0]["target"] == "/etc/lib.nix")
    #expect(contents[0]["source"]?.hasPrefix("/nix/store/") == true)
    #expect(contents[1]["source"]?.hasSuffix("-nixos-system-tiny/*") == true)
    #expect(contents[1]["mode"] == "u=rwX,go=rX")
    // What make-disk-image needs for equal bytes changes nothing here.
    let reproducible = try #require(specs["reproducible"])
    #expect(reproducible as NSDictionary == specs["defaults"] as NSDictionary?)
  }

  @Test func hooksKeepTheStorePathsInThem() async throws {
    let evaluation = try await evaluation()
    let system = try #require(evaluation.hooks["system"] as? String)
    expect(
      evaluation.hooks,
      has: #"{"postInstall": "sync", "format": ["raw"]}"#)
    #expect(evaluation.hooks["preVM"] as? String == "true")
    #expect(evaluation.hooks["postVM"] as? String == "cat \(system)/system")
    #expect((evaluation.hooks["copyChannel"] as? String)?.hasSuffix("-nixos-24.11") == true)
    #expect(evaluation.context.contains(system))
  }

  @Test func attributesAreThoseThatMakeDiskImagesCallersOverride() async throws {
    let attributes = try await evaluation().attributes
    expect(attributes, has: #"{"preVM": "ab", "postVM": "c", "memSize": 1024, "QEMU_OPTS": "-device edu"}"#)
    // What an attribute decides is not in the file as well.
    let file = try #require(attributes["inFile"] as? String)
    let json = try JSONSerialization.jsonObject(with: Data(file.utf8))
    let keys = Set(try #require(json as? [String: Any]).keys)
    #expect(keys.isDisjoint(with: ["preVM", "postVM", "memSize"]) && keys.contains("fsType"))
  }

  @Test func thePackageIsBuiltFromThisCheckout() async throws {
    let evaluation = try await evaluation()
    #expect(evaluation.package["name"] as? String == SlipwayVersion.named.replacing(" ", with: "-"))
    // Without its Swift packages, and with a Swift that is too old.
    #expect(evaluation.package["isRefused"] as? [Bool] == [true, true])
    #expect(evaluation.package["isBuilt"] as? Bool == true)
    // Every package is taken from the folder of that name.
    let patch = try #require(evaluation.package["postPatch"] as? String).split(separator: "\n")
    let words = try #require(patch.first { $0.hasPrefix("sed ") })
    try await withScratchDirectory { scratch in
      let file = scratch.appending("Package.swift").string
      try FileManager.default.copyItem(atPath: TestSystem.repository("Package.swift"), toPath: file)
      try await SubprocessRunner().run("sh", "-c", "cd '\(scratch)' && \(words)")
      let text = try String(contentsOfFile: file, encoding: .utf8)
      #expect(!text.contains("url:"))
      #expect(text.contains(#".package(path: "packages/GRDB.swift")"#))
    }
  }

  @Test func theFlakeHasPackageOverlayModulesAndFunction() async throws {
    let flake = try await evaluation().flake
    #expect(flake["outputs"] as? [String] == ["checks", "lib", "nixosModules", "overlays", "packages"])
    let package = "slipway-\(SlipwayVersion.current)"
    expect(flake, has: #"{"without": {"x86_64-linux": {}}}"#)
    expect(
      flake, has: #"{"packages": {"x86_64-linux": {"default": "\#(package)", "slipway": "\#(package)"}}}"#)
    let checks = try #require(flake["checks"] as? [String: [String: String]])
    #expect(checks["x86_64-linux"]?.keys.sorted() == ["default", "image", "slipway"])
    expect(flake["image"] as? [String: Any], has: #"{"partitionTableType": "efi", "touchEFIVars": true}"#)
  }

  @Test func firmwareThatNeedsSMMIsSaidToDoSo() async throws {
    let specs = try await evaluation().specs
    expect(
      specs["smm"],
      has: #"{"efiFirmware": "/f/CODE.fd", "efiVariables": "/f/VARS.fd", "efiFirmwareNeedsSMM": true}"#)
    #expect(specs["efi"]?["efiFirmwareNeedsSMM"] == nil)
  }

  @Test func theModuleSetsTheImage() async throws {
    let evaluation = try await evaluation()
    expect(
      evaluation.specs["module"],
      has: #"{"baseName": "host", "format": "qcow2", "partitionTableType": "efi", "fsType": "ext4"}"#)
    expect(
      evaluation.specs["biosModule"],
      has: #"{"baseName": "host", "format": "vpc", "partitionTableType": "legacy+gpt", "fsType": "xfs"}"#)
    #expect(evaluation.module["extensions"] as? [String] == ImageFormat.allCases.map(\.fileExtension))
    #expect(evaluation.module["root"] as? String == "xfs")
    // Where the system has it, as the function mounts it there.
    #expect(evaluation.module["mounts"] as? [String] == ["/", "/efi"])
  }

  @Test func theModuleFitsReleasesOfNixpkgs() async throws {
    let module = try await evaluation().module
    let releases = try #require(module["releases"] as? [String: [String: Any]])
    for (release, files, path) in [
      ("23.11", [], "nixos-image-label-x86_64-linux.img"),
      ("24.11", ["disk-size-option.nix"], "nixos-image-label-x86_64-linux.img"),
      ("25.05", ["file-options.nix", "disk-size-option.nix"], "nixpkgs-filePath"),
    ] {
      #expect(releases[release]?["files"] as? [String] == files)
      #expect(releases[release]?["filePath"] as? String == path)
      #expect(releases[release]?["diskSize"] as? String == "auto")
    }
    // A variant of `nixos-rebuild build-image`: a list of modules, and in later releases a module.
    #expect(module["variants"] as? [String] == ["list", "path"])
  }

  @Test func contradictionsAreRefusedWhenTheyAreEvaluated() async throws {
    let evaluation = try await evaluation()
    #expect(evaluation.refused.count == 21)
    for (name, isRefused) in evaluation.refused { #expect(isRefused, "\(name) was not refused") }
    #expect(evaluation.accepted.count == 7)
    for (name, isAccepted) in evaluation.accepted { #expect(isAccepted, "\(name) was refused") }
  }

  /// Expects a spec to have these keys, given as JSON, with these values.
  private func expect(_ spec: [String: Any]?, has json: String) {
    let keys = try? JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any]
    #expect(keys != nil, "this is not JSON: \(json)")
    for (key, value) in keys ?? [:] {
      #expect(spec?[key] as? NSObject == value as? NSObject, "\(key) is \(spec?[key] ?? "not there")")
    }
  }

  /// What every expression of `nix/tests` is given: the system, Slipway, and the packages of the set.
  private func arguments() async throws -> [String: String] {
    let cache = TestSystem.repository(".cache/systems")
    try await SubprocessRunner().run(TestSystem.repository("Tests/Systems/fetch-debs"), cache, "nixpkgs")
    return [
      "system": try await TestSystem.path("tiny"), "slipway": SlipwayCommand.prefix.string,
      "debs": cache + "/debs", "manifest": cache + "/nixpkgs.debs",
    ]
  }

  /// Nix as root uses it here: without a daemon, and without the group nixbld.
  private static let hostSettings = [
    "--option", "build-users-group", "", "--option", "sandbox", "false", "--option", "substituters", "",
  ]

  /// Builds what the image of `nix/tests/image.nix` is built of in the host's store, and copies it into the user's.
  private func add(packagesOf arguments: [String: String], to user: NixUser) async throws {
    let words = arguments.sorted { $0.key < $1.key }.flatMap { ["--argstr", $0.key, $0.value] }
    let inputs = try await SubprocessRunner().run(
      Command(
        "nix-build",
        [TestSystem.repository("nix/tests/image.nix"), "-A", "inputs", "--no-out-link"] + words
          + Self.hostSettings))
    try await user.add(closureOf: inputs)
  }

  private struct Evaluation {
    var specs: [String: [String: Any]]
    var hooks: [String: Any]
    var module: [String: Any]
    var attributes: [String: Any]
    var package: [String: Any]
    var flake: [String: Any]
    var context: [String]
    var refused: [String: Bool]
    var accepted: [String: Bool]
  }

  private func evaluation() async throws -> Evaluation {
    let words = try await arguments().flatMap { ["--argstr", $0.key, $0.value] }
    let output = try await SubprocessRunner().run(
      Command(
        "nix-instantiate",
        ["--eval", "--strict", "--json", TestSystem.repository("nix/tests/evaluation.nix")] + words
          + Self.hostSettings))
    let all = try #require(try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any])
    return Evaluation(
      specs: try #require(all["specs"] as? [String: [String: Any]]),
      hooks: try #require(all["hooks"] as? [String: Any]),
      module: try #require(all["module"] as? [String: Any]),
      attributes: try #require(all["attributes"] as? [String: Any]),
      package: try #require(all["package"] as? [String: Any]),
      flake: try #require(all["flake"] as? [String: Any]),
      context: try #require(all["context"] as? [String]),
      refused: try #require(all["refused"] as? [String: Bool]),
      accepted: try #require(all["accepted"] as? [String: Bool]))
  }
}

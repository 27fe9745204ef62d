import BuildPlan
import Command
import Foundation
import ImageModel
import SystemPackage
import TestSupport
import Testing

/// `nix/make-disk-image.nix` and `nix/module.nix`, evaluated and built by Debian's Nix with a stub of nixpkgs.
@Suite(.virtualMachines, .serialized) struct NixFunctionTests {
  @Test func anOrdinaryUserBuildsInASandbox() async throws {
    try await withScratchDirectory { scratch in
      let user = try await NixUser(home: scratch.appending("home"))
      let arguments = try await arguments()
      try await user.add(closureOf: arguments["system"] ?? "")
      let (path, log) = try await user.build(
        TestSystem.repository("nix/tests/image.nix"), arguments: arguments)
      let out = user.file(of: path)
      #expect(
        try FileManager.default.contentsOfDirectory(atPath: out.string).sorted()
          == ["copy.fd", "efi-vars.fd", "manifest.json", "nix-support", "nixos.qcow2"], "\(log)")
      let products = try String(
        contentsOfFile: out.appending("nix-support/hydra-build-products").string, encoding: .utf8)
      #expect(products == "file qcow2-image \(path)/nixos.qcow2\n")
      #expect(try await VirtFirmware.linuxBootManager(in: out.appending("efi-vars.fd")) != nil)
      let verified = try await SlipwayCommand.run(["verify", out.string])
      #expect(verified.status == 0, "\(verified.errors)")
    }
  }

  @Test func aRemoteBuilderBuilds() async throws {
    try await withScratchDirectory { scratch in
      let socket = scratch.appending("builder").appending("socket")
      let builder = try await NixUser(
        home: socket.removingLastComponent(), settings: ["trusted-users = nobody"])
      let uri = "unix://\(socket)?root=\(builder.root)"
      let user = try await NixUser(
        home: scratch.appending("home"), settings: ["max-jobs = 0", "builders = \(uri) x86_64-linux - 8 1"])
      let arguments = try await arguments()
      try await user.add(closureOf: arguments["system"] ?? "")
      try await builder.serve(at: socket) {
        let (path, log) = try await user.build(
          TestSystem.repository("nix/tests/image.nix"), arguments: arguments)
        #expect(
          log.contains { $0.hasPrefix("building") && $0.contains("-disk-image.drv' on 'unix://") }, "\(log)")
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
    expect(specs["efi"], has: #"{"touchEFIVars": true, "efiFirmware": "/usr/share/OVMF/OVMF_CODE_4M.fd"}"#)
    expect(specs["untouched"], has: #"{"touchEFIVars": false, "installBootLoader": false}"#)
    expect(specs["fixed"], has: #"{"diskSize": 2048, "bootSize": "128M"}"#)
    expect(specs["grub"], has: #"{"grubDevice": "/dev/sda"}"#)
    expect(specs["extra"], has: #"{"cpus": 1, "seed": "00000000-0000-0000-0000-000000000001"}"#)
    #expect(specs["fixed"]?["additionalSpace"] == nil)
    #expect(specs["seeded"]?["rootGPUID"] == nil)
    #expect(specs["store"]?["label"] == nil)
    let contents = try #require(specs["contents"]?["contents"] as? [[String: String]])
    #expect(contents[0]["target"] == "/etc/lib.nix")
    #expect(contents[0]["source"]?.hasPrefix("/nix/store/") == true)
    #expect(contents[1]["source"]?.hasSuffix("-nixos-system-tiny/*") == true)
  }

  @Test func hooksKeepTheStorePathsInThem() async throws {
    let evaluation = try await evaluation()
    let system = try #require(evaluation.hooks["system"] as? String)
    expect(
      evaluation.hooks,
      has: #"{"postInstall": "sync", "format": ["raw"]}"#)
    // Beside $out, where make-disk-image's hooks start too.
    #expect(evaluation.hooks["preVM"] as? String == #"cd "$NIX_BUILD_TOP"; true"#)
    #expect(evaluation.hooks["postVM"] as? String == "cd \"$NIX_BUILD_TOP\"; cat \(system)/system")
    #expect((evaluation.hooks["copyChannel"] as? String)?.hasSuffix("-nixos-24.11") == true)
    #expect(evaluation.context.contains(system))
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
  }

  @Test func contradictionsAreRefusedWhenTheyAreEvaluated() async throws {
    let evaluation = try await evaluation()
    #expect(evaluation.refused.count == 10)
    for (name, isRefused) in evaluation.refused { #expect(isRefused, "\(name) was not refused") }
    #expect(evaluation.accepted.count == 5)
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

  /// What every expression of `nix/tests` is given: the system, and what of the host stands for packages.
  private func arguments() async throws -> [String: String] {
    [
      "system": try await TestSystem.path("tiny"), "slipway": SlipwayCommand.prefix.string,
      "kernel": try GuestKernel.path(), "kernelModules": "/usr/lib/modules/\(try GuestKernel.version())",
    ]
  }

  private struct Evaluation {
    var specs: [String: [String: Any]]
    var hooks: [String: Any]
    var module: [String: Any]
    var context: [String]
    var refused: [String: Bool]
    var accepted: [String: Bool]
  }

  private func evaluation() async throws -> Evaluation {
    let words = try await arguments().flatMap { ["--argstr", $0.key, $0.value] }
    let output = try await SubprocessRunner().run(
      Command(
        "nix-instantiate",
        ["--eval", "--strict", "--json", TestSystem.repository("nix/tests/evaluation.nix")] + words))
    let all = try #require(try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any])
    return Evaluation(
      specs: try #require(all["specs"] as? [String: [String: Any]]),
      hooks: try #require(all["hooks"] as? [String: Any]),
      module: try #require(all["module"] as? [String: Any]),
      context: try #require(all["context"] as? [String]),
      refused: try #require(all["refused"] as? [String: Bool]),
      accepted: try #require(all["accepted"] as? [String: Bool]))
  }
}

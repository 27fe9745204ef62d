import Command
import Foundation
import TestSupport
import Testing

/// `nix/qemu-vm.nix`, evaluated by Debian's Nix with a stand-in for nixpkgs' module of that name. `make test-nixos` boots
/// machines of the real one.
@Suite(.virtualMachines) struct VirtualMachineModuleTests {
  @Test func theImageIsThatOfSlipwayAndTheRestIsNixpkgs() async throws {
    let machines = try await evaluate()
    for machine in machines.values {
      #expect(machine.disabled == ["qemu-vm.nix"] && machine.common == "qemu-common")
    }
    #expect(machines["off"]?.image == .text("make-disk-image"))
    try expect(
      machines["efi"], "efi",
      #"{"format": "qcow2", "label": "nixos", "touchEFIVars": true, "efiVariables": "/f/VARS.fd"}"#)
    try expect(
      machines["bios"], "legacy", #"{"grubDevice": ["/dev/disk/by-id/virtio-root"], "touchEFIVars": false}"#)
    try expect(machines["ownLayout"], "efixbootldr", #"{"cpus": 1}"#)
    // What the start script copies, and no disk.
    #expect(machines["ownFilesystems"]?.image == .text("mkdir $out\ncp /f/VARS.fd $out/efi-vars.fd\n"))
    for name in ["off", "efi", "bios", "ownLayout", "ownFilesystems", "hostDirect"] {
      let machine = try #require(machines[name])
      #expect(machine.settings.virtualisation == nil && machine.settings.boot.postBootCommands == nil)
    }
  }

  @Test func theStoreIsTheHostsAsWithoutABootloader() async throws {
    let machines = try await evaluate()
    let root =
      #"{"store": "host", "partitions": [{"name": "nixos", "size": "767M", "fsType": "ext4", "label": "nixos"}]}"#
    try expect(machines["hostEFI"], "efi", root)
    try expect(machines["hostBIOS"], "legacy+boot", root)
    try expect(machines["hostOwn"], "efixbootldr", root)
    for (name, boot) in [("hostEFI", nil), ("hostBIOS", "/dev/disk/by-label/BOOT")] {
      let settings = try #require(machines[name]?.settings)
      #expect(settings.boot.loader.grub.copyKernels == true)
      #expect(settings.virtualisation?.mountHostNixStore == true)
      #expect(settings.virtualisation?.bootPartition == boot)
      let closure = try #require(settings.virtualisation?.sharedDirectories["closure"])
      #expect(closure["source"] == "/closure-of/toplevel")
      let commands = try #require(settings.boot.postBootCommands)
      #expect(commands.contains("nix-store --load-db < \(closure["target"] ?? "")/registration"))
      #expect(commands.contains("/nix/var/nix/profiles/system-1-link"))
    }
    // Without a bootloader there is no image.
    try expect(machines["hostDirect"], "efi", #"{"installBootLoader": false}"#)
    #expect(machines["small"]?.failures.first?.contains("leave no room for a root") == true)
    #expect(machines.filter { !$0.value.failures.isEmpty }.map(\.key) == ["small"])
  }

  /// Expects the image's spec to have a partition table and these keys, given as JSON.
  private func expect(_ machine: Machine?, _ table: String, _ json: String) throws {
    guard case .spec(let spec)? = machine?.image else {
      Issue.record("there is no image of Slipway's")
      return
    }
    #expect(spec["partitionTableType"] == .text(table))
    for (key, value) in try JSONDecoder().decode([String: Value].self, from: Data(json.utf8)) {
      #expect(spec[key] == value, "\(key)")
    }
  }

  private func evaluate() async throws -> [String: Machine] {
    let output = try await SubprocessRunner().run(
      Command(
        "nix-instantiate", ["--eval", "--strict", "--json", TestSystem.repository("nix/tests/qemu-vm.nix")]))
    return try JSONDecoder().decode([String: Machine].self, from: Data(output.utf8))
  }
}

/// What `nix/tests/qemu-vm.nix` says of a machine.
private struct Machine: Decodable {
  var common: String
  var disabled: [String]
  var failures: [String]
  var image: Image
  var settings: Settings

  /// A spec, or the text of another derivation.
  enum Image: Decodable, Equatable {
    case spec([String: Value])
    case text(String)

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if let text = try? container.decode(String.self) {
        self = .text(text)
      } else {
        self = .spec(try container.decode([String: Value].self))
      }
    }
  }

  struct Settings: Decodable {
    struct Boot: Decodable {
      struct Loader: Decodable {
        struct GRUB: Decodable { var copyKernels: Bool? }
        var grub: GRUB
      }
      var loader: Loader
      var postBootCommands: String?
    }
    struct Virtualisation: Decodable {
      var mountHostNixStore: Bool
      var bootPartition: String?
      var sharedDirectories: [String: [String: String]]
    }
    var boot: Boot
    var virtualisation: Virtualisation?
  }
}

/// A value of JSON, as far as a spec has it.
private enum Value: Decodable, Equatable {
  case text(String)
  case number(Int)
  case flag(Bool)
  case list([Value])
  case object([String: Value])

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let value = try? container.decode(String.self) {
      self = .text(value)
    } else if let value = try? container.decode(Bool.self) {
      self = .flag(value)
    } else if let value = try? container.decode(Int.self) {
      self = .number(value)
    } else if let value = try? container.decode([Value].self) {
      self = .list(value)
    } else {
      self = .object(try container.decode([String: Value].self))
    }
  }
}

import Foundation
import SystemPackage
import TestSupport
import Testing

/// Specs that cannot be built, through the command line: exit code 2, the key and a remedy, and no machine.
@Suite(.virtualMachines) struct BadSpecTests {
  /// A part of a spec, without its braces, and the key that the message must name.
  struct Case: Sendable, CustomTestStringConvertible {
    let json: String
    let key: String

    init(_ json: String, _ key: String) {
      self.json = json
      self.key = key
    }

    var testDescription: String { json }
  }

  /// What nixpkgs' make-disk-image asserts on. It has two assertions more: that a table needs ext4, where Slipway
  /// has no such limit, and that a reproducible ext4 needs `rootFSUID`, which Slipway derives.
  private static let assertions = [
    Case(#""touchEFIVars": true, "partitionTableType": "legacy""#, "touchEFIVars"),
    Case(#""touchEFIVars": true, "partitionTableType": "legacy+boot""#, "touchEFIVars"),
    Case(#""touchEFIVars": true, "partitionTableType": "none""#, "touchEFIVars"),
    Case(#""onlyNixStore": true, "contents": [{"source": "/a", "target": "/b"}]"#, "contents"),
    Case(#""onlyNixStore": true, "configFile": "/a""#, "configFile"),
    Case(#""onlyNixStore": true, "installBootLoader": true"#, "installBootLoader"),
    Case(#""contents": [{"source": "/a", "target": "/b", "user": "u"}]"#, "contents"),
    Case(#""contents": [{"source": "/a", "target": "/b", "group": "g"}]"#, "contents"),
    Case(#""contents": [{"source": "/a", "target": "/b"}, {"source": "/c", "target": "/b"}]"#, "contents"),
  ]

  private static let values = [
    Case(#""sytem": "/x""#, "sytem"),
    Case(#""format": "ova""#, "format"),
    Case(#""format": 1"#, "format"),
    Case(#""partitionTableType": "gpt""#, "partitionTableType"),
    Case(#""fsType": "vfat""#, "fsType"),
    Case(#""fsType": "squashfs""#, "fsType"),
    Case(#""fsType": true"#, "fsType"),
    Case(#""label": "seventeen-letters""#, "label"),
    Case(#""label": "ééééééééé""#, "label"),
    Case(#""label": "thirteen-byte", "fsType": "xfs""#, "label"),
    Case(#""label": "two words""#, "label"),
    Case(#""label": """#, "label"),
    Case(#""diskSize": "big""#, "diskSize"),
    Case(#""diskSize": -1"#, "diskSize"),
    Case(#""diskSize": 1.5"#, "diskSize"),
    Case(#""diskSize": null"#, "diskSize"),
    Case(#""diskSize": "270M""#, "diskSize"),
    Case(#""diskSize": "8E""#, "diskSize"),
    Case(#""additionalSpace": []"#, "additionalSpace"),
    Case(#""additionalSpace": "2P""#, "additionalSpace"),
    Case(#""additionalSpace": "1M", "diskSize": "4G""#, "additionalSpace"),
    Case(#""bootSize": "1X""#, "bootSize"),
    Case(#""bootSize": "40M""#, "bootSize"),
    Case(#""bootSize": 268435457"#, "bootSize"),
    Case(#""bootSize": "2T""#, "bootSize"),
    Case(#""bootSize": "128M", "partitionTableType": "efixbootldr""#, "bootSize"),
    Case(#""memSize": "1024""#, "memSize"),
    Case(#""memSize": 128"#, "memSize"),
    Case(#""cpus": 0"#, "cpus"),
    Case(#""cpus": 65"#, "cpus"),
    Case(#""cpus": 1e30"#, "cpus"),
    Case(#""installBootLoader": "yes""#, "installBootLoader"),
    Case(#""touchEFIVars": 1"#, "touchEFIVars"),
    Case(#""touchEFIVars": true, "installBootLoader": false"#, "touchEFIVars"),
    Case(#""onlyNixStore": true, "touchEFIVars": true"#, "touchEFIVars"),
    Case(#""onlyNixStore": true, "fsType": "btrfs""#, "fsType"),
    Case(#""onlyNixStore": true, "fsType": "squashfs", "label": "store""#, "label"),
    Case(#""onlyNixStore": true, "fsType": "erofs", "additionalSpace": "1M""#, "additionalSpace"),
    Case(#""baseName": "../x""#, "baseName"),
    Case(#""baseName": ".hidden""#, "baseName"),
    Case(#""grubDevice": "sda""#, "grubDevice"),
    Case(#""grubDevice": "/dev/../etc/passwd""#, "grubDevice"),
    Case(#""partitionTableType": "legacy", "espMountPoint": "/efi""#, "espMountPoint"),
    Case(#""configFile": "relative""#, "configFile"),
    Case(#""configFile": "/nowhere/configuration.nix""#, "configFile"),
    Case(#""additionalPaths": "/nix/store/x""#, "additionalPaths"),
    Case(#""contents": {}"#, "contents"),
    Case(#""contents": [{"source": "/a"}]"#, "contents"),
    Case(#""contents": [{"source": "/a", "target": "/b", "owner": "c"}]"#, "contents"),
    Case(#""contents": [{"source": "/a", "target": "/b", "mode": "rwx"}]"#, "contents"),
    Case(#""contents": [{"source": "a", "target": "/b"}]"#, "contents"),
    Case(#""contents": [{"source": "/a", "target": "b"}]"#, "contents"),
    Case(#""contents": [{"source": "/a", "target": "/etc/../../b"}]"#, "contents"),
    Case(#""contents": [{"source": "/a", "target": "/nix/store/b"}]"#, "contents"),
    Case(#""contents": [{"source": "/nowhere", "target": "/b"}]"#, "contents"),
    Case(#""contents": [{"source": "/nowhere/*", "target": "/b"}]"#, "contents"),
    Case(#""efiFirmware": "/f""#, "efiVariables"),
    Case(#""efiVariables": "/v""#, "efiFirmware"),
    Case(#""efiFirmware": "/nowhere.fd", "efiVariables": "/nowhere.fd""#, "efiFirmware"),
    Case(#""format": []"#, "format"),
    Case(#""format": ["raw", "raw"]"#, "format"),
    Case(#""format": "vpc", "diskSize": "2041G""#, "format"),
    Case(#""format": "vpc-fixed", "diskSize": "4194305K""#, "diskSize"),
    Case(#""format": "raw.tar.gz", "diskSize": "4095M""#, "diskSize"),
    Case(#""format": ["vmdk", "vmdk-stream"]"#, "format"),
    Case(#""copyChannel": true"#, "copyChannel"),
    Case(#""copyChannel": "/nowhere""#, "copyChannel"),
    Case(#""extraFiles": [{"source": "/nowhere", "target": "/b"}]"#, "extraFiles"),
    Case(#""postInstall": 1"#, "postInstall"),
    Case(#""onlyNixStore": true, "preVM": "true""#, "preVM"),
    Case(#""fsType": "nosuchfs""#, "fsType"),
    Case(#""fsType": "jfs", "label": "root""#, "label"),
    Case(#""mkfsOptions": "-q""#, "mkfsOptions"),
    Case(#""swapSize": "1K""#, "swapSize"),
    Case(#""sectorSize": 1024"#, "sectorSize"),
    Case(#""partitions": [{"name": "a", "size": "64M", "fsType": "ext4", "mountPoint": "/"}]"#, "partitions"),
    Case(#""efiVarsForm": "pretty""#, "efiVarsForm"),
    Case(#""efiVarsForm": "raw", "stripFirmwareVariables": true"#, "stripFirmwareVariables"),
    Case(#""OVMF": "/nowhere""#, "OVMF"),
    Case(#""secureBoot": {"pk": "/nowhere"}"#, "secureBoot"),
    Case(#""seed": "97FD5997-D90B-4AA3-8D16-C1723AEA73C""#, "seed"),
    Case(#""rootGPUID": "x""#, "rootGPUID"),
    Case(#""rootFSUID": 7"#, "rootFSUID"),
  ]

  @Test(arguments: assertions + values)
  func isRefusedByItsKey(bad: Case) async throws {
    try await withScratchDirectory { scratch in
      let hypervisor = try FakeHypervisor(in: scratch)
      let spec = scratch.appending("spec.json").string
      let system = try await TestSystem.path("tiny")
      try "{\"system\": \"\(system)\", \(bad.json)}".write(toFile: spec, atomically: true, encoding: .utf8)
      let result = try await SlipwayCommand.run(
        ["build", spec, "--out", scratch.appending("r").string], environment: hypervisor.environment)
      #expect(result.status == 2, "\(result.errors)")
      // The key, what is wrong, and a sentence that says what to do.
      #expect(result.cause.contains(try Regex(#"^slipway: \#(bad.key): .*\S\. [A-Z]"#)), "\(result.errors)")
      #expect(!hypervisor.wasStarted)
      #expect(try await leftovers(in: scratch, besides: ["tools", "spec.json"]).isEmpty)
    }
  }
}

import BuildPlan
import Foundation
import ImageModel
import Testing

/// What a spec must not be, whatever its keys mean.
@Suite struct SpecRefusalTests {
  private func read(_ json: String) throws -> ImageSpec { try ImageSpec(json: Array(json.utf8)) }

  @Test(arguments: [
    (#"{"cpus": 1, "label": "a", "cpus": 2}"#, "cpus"), (#"{"cpus": 1, "\u0063pus": 2}"#, "cpus"),
    (#"{"contents": [{"source": "/a", "target": "/b", "source": "/c"}]}"#, "source"),
    (#"{"secureBoot": {"pk": "/a", "sign": {"key": "/k", "key": "/k"}}}"#, "key"),
    (#"{"partitions": [{"name": "a"}, {"name": "b", "size": {"x": [{}, {"y": 1, "y": 2}]}}]}"#, "y"),
    (#"{"label": "\"}", "a,b": 1, "a,b": 2}"#, "a,b"),
  ])
  func aKeyTwiceInOneObjectIsRefused(json: String, key: String) {
    let error = #expect(throws: SpecError.self) { try read(json) }
    #expect(error?.key == key)
    #expect(error?.message.contains("twice") == true)
  }

  @Test func theSameKeyInTwoObjectsIsNoDuplicate() throws {
    let spec = try read(
      #"{"contents": [{"source": "/a\"", "target": "/b\\"}, {"source": "/a\"", "target": "/c"}], "label": "cpus", "cpus": 1}"#
    )
    #expect(spec.contents?.count == 2 && spec.cpus == 1)
  }

  @Test func onlyUTF8IsRead() {
    for bytes in [Array("{\"label\": \"".utf8) + [0xff] + Array("\"}".utf8), [0x7b, 0, 0x7d, 0]] {
      let error = #expect(throws: SpecError.self) { try ImageSpec(json: bytes) }
      #expect(error?.key == "spec")
    }
  }

  @Test(arguments: [
    "a/b", "a\nb", "a\u{1b}[2Jb", "a\u{9b}b", "a\u{7f}", "", ".a", "-a", "a\u{202e}b", "a\u{2028}",
  ])
  func aNameThatNoFileShouldHaveIsNoBaseName(name: String) {
    refuses("baseName") { $0.baseName = name }
  }

  @Test(arguments: ["a/b", "a\nb", "a\u{9b}b", "a b", "a\u{a0}b", "a\u{200d}"])
  func namesAndLabelsHaveNoControlCharactersAndNoSlashes(text: String) {
    refuses("label") { $0.label = text }
    refuses("partitions") {
      $0.partitions = [PartitionEntry(name: "data", size: .mebibytes(64), fsType: .ext4, label: text)]
    }
    guard !text.contains(where: { $0 == " " || $0 == "\u{a0}" }) else { return }
    refuses("partitions") {
      $0.partitions = [PartitionEntry(name: text, size: .mebibytes(64), fsType: .ext4)]
    }
  }

  /// Each would overflow an addition, a multiplication or a conversion further on.
  @Test func numbersWithoutMeasureAreRefused() {
    let huge = ByteSize(bytes: .max)
    refuses("diskSize") { $0.diskSize = .fixed(ByteSize(bytes: 8 << 60)) }
    refuses("diskSize") { $0.diskSize = .fixed(huge) }
    refuses("additionalSpace") { $0.additionalSpace = huge }
    refuses("bootSize") { $0.bootSize = huge }
    refuses("bootSize") { $0.bootSize = ByteSize(bytes: UInt64.max - (1 << 20) + 1) }
    refuses("swapSize") { $0.swapSize = huge }
    refuses("partitions") { $0.partitions = [PartitionEntry(name: "a", size: huge, fsType: .xfs)] }
    refuses("memSize") { $0.memSize = .max }
    refuses("cpus") { $0.cpus = .max }
    refuses("cpus") { $0.cpus = .min }
    refuses("sectorSize") { $0.sectorSize = .max }
  }

  @Test func sizesAreThoseOfMakeDiskImage() throws {
    let spec = try read(#"{"additionalSpace": "1.5G", "bootSize": "0.5G", "diskSize": "2.5G"}"#)
    #expect(spec.additionalSpace?.bytes == 3 << 29)
    #expect(spec.bootSize == .mebibytes(512))
    #expect(spec.diskSize == .fixed(ByteSize(bytes: 5 << 29)))
    // A bare number is MiB, of which there are no parts.
    #expect(DiskSize("1.5") == nil)
  }

  /// What would be in a root, which an image of the boot partitions has not.
  @Test func theBootPartitionsAloneHaveNoRoot() {
    func refusesWithHost(_ key: String, _ change: (inout ImageSpec) -> Void) {
      refuses(key) {
        $0.store = .host
        change(&$0)
      }
    }
    for table in [PartitionTable.none, .legacy, .legacyGPT] {
      refusesWithHost("store") { $0.partitionTableType = table }
    }
    refusesWithHost("store") { $0.onlyNixStore = true }
    refusesWithHost("diskSize") { $0.diskSize = .fixed(.mebibytes(512)) }
    refusesWithHost("additionalSpace") { $0.additionalSpace = .mebibytes(1) }
    refuses("seed") { ($0.seed, $0.deterministic) = (GUID(high: 1, low: 2), false) }
    refusesWithHost("rootGPUID") { $0.rootGPUID = GUID(high: 1, low: 2) }
    refusesWithHost("copyChannel") { $0.copyChannel = .path("/nix/store/x") }
    refusesWithHost("configFile") { $0.configFile = "/etc/hosts" }
    refusesWithHost("contents") { $0.contents = [ContentEntry(source: "/etc/hosts", target: "/etc/hosts")] }
    // A folder that the boot partition is in.
    refusesWithHost("contents") { $0.contents = [ContentEntry(source: "/etc", target: "/")] }
    refusesWithHost("contents") {
      $0.espMountPoint = "/boot/efi"
      $0.contents = [ContentEntry(source: "/etc", target: "/boot")]
    }
    refusesWithHost("system") {
      $0.contents = [ContentEntry(source: "/etc/hosts", target: "/boot/hosts")]
    }
  }

  @Test func aSpecWithoutASystemIsRefused() {
    refuses("system") { _ in }
  }

  @Test func scriptsAreShownByTheirDigests() throws {
    var spec = try read(#"{"preVM": "token=abc", "postInstall": "token=abc", "postVM": "token=abcd"}"#)
    spec = spec.withoutScripts
    #expect(spec.preVM == spec.postInstall && spec.preVM != spec.postVM)
    #expect(spec.preVM == "sha256:906b1a00bc75e17ce0089843e63c602bd9e911df9197c84edde3f3c4f174b392")
  }

  private func refuses(_ key: String, _ change: (inout ImageSpec) -> Void) {
    var spec = ImageSpec()
    change(&spec)
    let error = #expect(throws: SpecError.self) { try ResolvedSpec(spec) }
    #expect(error?.key == key)
  }
}

import BuildPlan
import Foundation
import ImageModel
import Testing

@Suite struct ImageSpecTests {
  @Test func everyKeyIsRead() throws {
    let json = """
      {"system": "/nix/store/x", "closureInfo": "/c", "baseName": "b", "format": "qcow2-compressed",
       "partitionTableType": "efi", "fsType": "xfs", "label": "root", "diskSize": "4G",
       "additionalSpace": "1G", "bootSize": "512M", "memSize": 2048, "cpus": 4, "installBootLoader": true, "currentGeneration": 1, "profile": "p",
       "touchEFIVars": false, "onlyNixStore": false, "grubDevice": ["/dev/sda", "/dev/sdb"], "espMountPoint": "/boot/efi", "configFile": "/k", "additionalPaths": ["/nix/store/y"],
       "copyChannel": "/nix/store/z", "extraFiles": [{"source": "/s", "target": "/t"}], "preVM": "true", "postInstall": "ls\\npwd",
       "postVM": "echo", "contents": [{"source": "/a", "target": "/etc/a", "mode": "0600", "user": "u", "group": "g"},
                    {"source": "/b/*", "target": "/srv", "mode": null}], "efiFirmware": "/f", "efiVariables": "/v",
       "efiVarsForm": "raw", "stripFirmwareVariables": false,
       "OVMF": "/o", "efiFirmwareNeedsSMM": true,
       "secureBoot": {"pk": "/pk", "kek": "/kek", "db": ["/a", "/b"], "sign": {"key": "/k", "cert": "/c"}},
       "seed": "00000000-0000-0000-0000-000000000001", "rootGPUID": "00000000-0000-0000-0000-000000000002",
       "rootFSUID": "00000000-0000-0000-0000-000000000003", "mkfsOptions": ["-m", "crc=1"], "swapSize": "1G",
       "sectorSize": 4096, "partitions": [
         {"name": "data", "size": "2G", "fsType": "f2fs", "label": "d", "mountPoint": "/srv", "type": "83"},
         {"name": "more", "size": 1048576, "fsType": "ext2", "label": null}]}
      """
    let spec = try ImageSpec(json: Array(json.utf8))
    var expected = ImageSpec()
    expected.system = "/nix/store/x"
    expected.currentGeneration = 1
    expected.profile = "p"
    expected.closureInfo = "/c"
    expected.baseName = "b"
    expected.format = [.compressedQcow2]
    expected.partitionTableType = .efi
    expected.fsType = .xfs
    expected.label = "root"
    expected.diskSize = .fixed(ByteSize(bytes: 4 << 30))
    expected.additionalSpace = ByteSize(bytes: 1 << 30)
    expected.bootSize = .mebibytes(512)
    expected.memSize = 2048
    expected.cpus = 4
    expected.installBootLoader = true
    expected.touchEFIVars = false
    expected.onlyNixStore = false
    expected.efiVarsForm = .raw
    expected.stripFirmwareVariables = false
    expected.grubDevice = ["/dev/sda", "/dev/sdb"]
    expected.espMountPoint = "/boot/efi"
    expected.configFile = "/k"
    expected.additionalPaths = ["/nix/store/y"]
    expected.contents = [
      ContentEntry(source: "/a", target: "/etc/a", mode: ContentMode("0600"), user: "u", group: "g"),
      ContentEntry(source: "/b/*", target: "/srv"),
    ]
    expected.copyChannel = .path("/nix/store/z")
    expected.extraFiles = [ContentEntry(source: "/s", target: "/t")]
    expected.preVM = "true"
    expected.postInstall = "ls\npwd"
    expected.postVM = "echo"
    expected.efiFirmware = "/f"
    expected.efiVariables = "/v"
    expected.ovmf = "/o"
    expected.efiFirmwareNeedsSMM = true
    expected.secureBoot = SecureBootSpec(
      pk: "/pk", kek: ["/kek"], db: ["/a", "/b"], sign: SigningSpec(key: "/k", cert: "/c"))
    expected.seed = GUID(high: 0, low: 1)
    expected.rootGPUID = GUID(high: 0, low: 2)
    expected.rootFSUID = GUID(high: 0, low: 3)
    expected.mkfsOptions = ["-m", "crc=1"]
    expected.swapSize = ByteSize(bytes: 1 << 30)
    expected.sectorSize = 4096
    expected.partitions = [
      PartitionEntry(
        name: "data", size: .mebibytes(2048), fsType: .f2fs, label: "d", mountPoint: "/srv", type: .code(0x83)
      ),
      PartitionEntry(name: "more", size: .mebibytes(1), fsType: .ext2),
    ]
    #expect(spec == expected)
  }

  @Test func aFormatIsOneOrAList() throws {
    let list = #"{"format": ["qcow2", "raw.zst", "vmdk"], "copyChannel": false}"#
    let spec = try ImageSpec(json: Array(list.utf8))
    #expect(spec.format == [.qcow2, .compressedRaw, .vmdk])
    #expect(spec.copyChannel == ChannelCopy.none)
    #expect(try JSONDecoder().decode(ImageSpec.self, from: JSONEncoder().encode(spec)) == spec)
  }

  @Test func theFieldsOfSecureBootAreLaidOverEachOther() throws {
    var file = ImageSpec()
    file.secureBoot = SecureBootSpec(pk: "/a", kek: ["/a"], sign: SigningSpec(key: "/a"))
    var flags = ImageSpec()
    flags.secureBoot = SecureBootSpec(kek: ["/b"], db: ["/b"], sign: SigningSpec(cert: "/b"))
    #expect(
      file.overridden(by: flags).secureBoot
        == SecureBootSpec(pk: "/a", kek: ["/b"], db: ["/b"], sign: SigningSpec(key: "/a", cert: "/b")))
    #expect(file.overridden(by: ImageSpec()).secureBoot == file.secureBoot)
    #expect(ImageSpec().overridden(by: flags).secureBoot == flags.secureBoot)
  }

  @Test func aFolderOfNixpkgsNamesBothFiles() {
    var spec = ImageSpec()
    spec.ovmf = "/nix/store/x-OVMF-fd"
    let wish = spec.firmwareWish
    #expect(wish.code == "/nix/store/x-OVMF-fd/FV/OVMF_CODE.fd")
    #expect(wish.variables == "/nix/store/x-OVMF-fd/FV/OVMF_VARS.fd")
  }

  @Test func aBareDiskSizeIsMebibytes() throws {
    #expect(try ImageSpec(json: Array(#"{"diskSize": 2048}"#.utf8)).diskSize == .fixed(.mebibytes(2048)))
    #expect(try ImageSpec(json: Array(#"{"diskSize": "2048"}"#.utf8)).diskSize == .fixed(.mebibytes(2048)))
    #expect(try ImageSpec(json: Array(#"{"diskSize": "auto"}"#.utf8)).diskSize == .auto)
  }

  @Test(arguments: [
    ("{\"sytem\": \"/x\"}", "sytem"), ("{\"format\": \"ova\"}", "format"), ("{\"format\": 1}", "format"),
    ("{\"format\": [\"ova\"]}", "format"), ("{\"format\": [[\"raw\"]]}", "format"),
    ("{\"copyChannel\": true}", "copyChannel"), ("{\"copyChannel\": 1}", "copyChannel"),
    ("{\"preVM\": \"\"}", "preVM"), ("{\"postVM\": [\"true\"]}", "postVM"),
    ("{\"postInstall\": 1}", "postInstall"),
    ("{\"extraFiles\": [{\"source\": \"/a\"}]}", "extraFiles"),
    ("{\"diskSize\": \"big\"}", "diskSize"), ("{\"diskSize\": -1}", "diskSize"),
    ("{\"diskSize\": 1.5}", "diskSize"),
    ("{\"diskSize\": true}", "diskSize"), ("{\"diskSize\": null}", "diskSize"),
    ("{\"bootSize\": \"1X\"}", "bootSize"), ("{\"additionalSpace\": []}", "additionalSpace"),
    ("{\"additionalSpace\": \"99999999999999999999G\"}", "additionalSpace"),
    ("{\"memSize\": \"1024\"}", "memSize"), ("{\"memSize\": true}", "memSize"), ("{\"cpus\": 1e30}", "cpus"),
    ("{\"touchEFIVars\": 1}", "touchEFIVars"), ("{\"touchEFIVars\": \"true\"}", "touchEFIVars"),
    ("{\"label\": \"\"}", "label"), ("{\"label\": \"a\\u0000b\"}", "label"), ("{\"system\": {}}", "system"),
    ("{\"systems\": \"/a\"}", "systems"), ("{\"currentGeneration\": \"1\"}", "currentGeneration"),
    ("{\"profile\": 1}", "profile"),
    ("{\"seed\": \"97FD5997-D90B-4AA3-8D16-C1723AEA73C\"}", "seed"), ("{\"rootFSUID\": 7}", "rootFSUID"),
    ("{\"partitionTableType\": \"gpt\"}", "partitionTableType"), ("{\"fsType\": \"../x\"}", "fsType"),
    ("{\"contents\": {}}", "contents"), ("{\"contents\": [1]}", "contents"),
    ("{\"contents\": [{\"source\": \"/a\"}]}", "contents"),
    ("{\"contents\": [{\"source\": \"/a\", \"target\": \"/b\", \"owner\": \"c\"}]}", "contents"),
    ("{\"contents\": [{\"source\": \"/a\", \"target\": \"/b\", \"mode\": \"rwx\"}]}", "contents"),
    ("{\"contents\": [{\"source\": \"/a\", \"target\": \"/b\", \"mode\": 644}]}", "contents"),
    ("{\"additionalPaths\": \"/nix/store/x\"}", "additionalPaths"), ("{\"configFile\": []}", "configFile"),
    ("{\"mkfsOptions\": \"-q\"}", "mkfsOptions"), ("{\"swapSize\": \"big\"}", "swapSize"),
    ("{\"sectorSize\": \"4096\"}", "sectorSize"), ("{\"partitions\": {}}", "partitions"),
    ("{\"partitions\": [{\"name\": \"a\", \"size\": \"1G\"}]}", "partitions"),
    ("{\"partitions\": [{\"name\": \"a\", \"size\": \"1G\", \"fsType\": \"A\"}]}", "partitions"),
    (#"{"partitions": [{"name": "a", "size": "1G", "fsType": "xfs", "x": 1}]}"#, "partitions"),
    (#"{"partitions": [{"name": "a", "size": "1G", "fsType": "xfs", "type": "linux"}]}"#, "partitions"),
    ("{\"OVMF\": 1}", "OVMF"), ("{\"secureBoot\": \"yes\"}", "secureBoot"),
    ("{\"secureBoot\": {\"dbx\": \"/x\"}}", "secureBoot"), ("{\"secureBoot\": {\"db\": [1]}}", "secureBoot"),
    ("{\"secureBoot\": {\"sign\": \"/k\"}}", "secureBoot"),
    ("{\"secureBoot\": {\"pk\": [\"/a\"]}}", "secureBoot"),
    ("[]", "spec"), ("", "spec"), ("{", "spec"), ("nope", "spec"), ("\"efi\"", "spec"),
  ])
  func aBadSpecIsRefusedByItsKey(json: String, key: String) throws {
    let error = try #require(throws: SpecError.self) { try ImageSpec(json: Array(json.utf8)) }
    #expect(error.key == key)
    #expect(!error.remedy.isEmpty)
  }

  /// The spec of a flag with this value.
  private func spec(_ flag: String, _ value: String) throws -> ImageSpec {
    let flag = try #require(SpecFlag.all.first { $0.name == flag })
    let value = try flag.value(value)
    return try ImageSpec(SpecValue.null.setting(flag.path[...], to: flag.isRepeated ? .list([value]) : value))
  }

  @Test(arguments: [
    ("/a:/b", ContentEntry(source: "/a", target: "/b")),
    ("/a:/b:0640", ContentEntry(source: "/a", target: "/b", mode: ContentMode("0640"))),
    ("/a:/b:u=rwX,go=rX", ContentEntry(source: "/a", target: "/b", mode: ContentMode("u=rwX,go=rX"))),
    ("/a:/b::u:g", ContentEntry(source: "/a", target: "/b", user: "u", group: "g")),
  ])
  func contentsAreReadFromAFlag(text: String, entry: ContentEntry) throws {
    #expect(try spec("contents", text).contents == [entry])
    #expect(try spec("extra-file", text).extraFiles == [entry])
  }

  @Test(arguments: [
    ("data:2G:xfs", PartitionEntry(name: "data", size: .mebibytes(2048), fsType: .xfs)),
    (
      "data:2G:xfs:/srv:d:83",
      PartitionEntry(
        name: "data", size: .mebibytes(2048), fsType: .xfs, label: "d", mountPoint: "/srv", type: .code(0x83))
    ),
  ])
  func partitionsAreReadFromAFlag(text: String, entry: PartitionEntry) throws {
    #expect(try spec("partitions", text).partitions == [entry])
  }

  @Test(arguments: [
    ("contents", "/a"), ("contents", "/a:"), ("contents", ":/b"), ("contents", "/a:/b:888"),
    ("contents", "/a:/b:644:u:g:h"), ("partitions", "data"), ("partitions", "data:2G"),
    ("partitions", ":2G:xfs"), ("partitions", "data:2X:xfs"), ("partitions", "data:2G:"),
    ("partitions", "data:2G:xfs:/a:b:c:d"), ("mem-size", "1.5"), ("mem-size", "-1"), ("disk-size", "huge"),
    ("format", "ova"), ("seed", "1"), ("fs-type", "../x"), ("label", ""),
  ])
  func aBadFlagIsRefusedByItsKey(name: String, text: String) throws {
    let key = try #require(SpecFlag.all.first { $0.name == name }).path[0]
    #expect(try #require(throws: SpecError.self) { try spec(name, text) }.key == key)
  }

  @Test func anotherFlagOfAKeyKeepsWhatIsThere() {
    let spec = SpecValue.null.setting(["a", "b"], to: .flag(true)).setting(["a", "c", "d"], to: .number(1))
    #expect(
      spec == .object(["a": .object(["b": .flag(true), "c": .object(["d": .number(1)])])]))
  }

  @Test func flagsGoOverTheFile() {
    var file = ImageSpec()
    file.label = "file"
    file.memSize = 512
    var flags = ImageSpec()
    flags.label = "flag"
    let merged = file.overridden(by: flags)
    #expect(merged.label == "flag")
    #expect(merged.memSize == 512)
  }
}

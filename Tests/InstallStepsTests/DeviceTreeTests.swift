internal import AgentProtocol
internal import ImageModel
internal import SystemPackage
internal import TestSupport
internal import Testing

@testable internal import InstallSteps

/// A `/sys` and a `/dev` with one disk and one partition.
private func withDeviceTree(_ body: (DeviceTree, FilePath) throws -> Void) async throws {
  try await withScratchDirectory { folder in
    let block = folder.appending("sys/block")
    try block.appending("vda/serial").write("slipway-target\n")
    try block.appending("vdb/serial").write("other")
    try block.appending("loop0").makeDirectory()
    try block.appending("vda/vda2/start").write("2048\n")
    try block.appending("vda/vda2/size").write("4096\n")
    try block.appending("vda/vda2/dev").write("254:2\n")
    try folder.appending("dev/vda2").write("")
    let tree = DeviceTree(sys: folder.appending("sys").string, dev: folder.appending("dev").string)
    try body(tree, folder.appending("dev"))
  }
}

@Suite("Devices without udev")
struct DeviceTreeTests {
  @Test("a disk is found by its serial number, whole")
  func serial() async throws {
    try await withDeviceTree { tree, _ in
      let disk = try tree.device(.disk(serial: "slipway-target"))
      #expect(disk == Device(tree: tree, disk: "vda"))
      let failure = #expect(throws: StepFailure.self) { try tree.device(.disk(serial: "slipway")) }
      #expect(
        failure?.message
          == "no disk has the serial number 'slipway'; there is vda 'slipway-target', vdb 'other'")
    }
  }

  @Test(
    "the first disk has the first name",
    arguments: [
      (["vda"], true), (["vda", "vdb", "vdc"], true), (["vdb", "vda"], false),
      (["vda", "vdc", "vdb"], false),
      (["vdz", "vdaa"], true), (["vdaa", "vdz"], false), (["sdb", "sda"], true), ([], true),
    ])
  func order(names: [String], isInOrder: Bool) {
    #expect(DeviceTree.areInOrder(names) == isInOrder)
  }

  @Test("a disk has the name that the system's configuration has for it")
  func otherName() async throws {
    try await withDeviceTree { tree, dev in
      func name(_ name: String) throws { try tree.link(.disk(serial: "slipway-target"), as: name) }
      try name("/dev/vda")
      #expect(!Files.exists(dev.appending("vda").string))
      try name("/dev/sda")
      #expect(try dev.appending("sda").linkDestination() == dev.appending("vda").string)
      try name("/dev/disk/by-id/x")
      #expect(try dev.appending("disk/by-id/x").linkDestination() == dev.appending("vda").string)
    }
  }

  @Test("links are made by number, partition and filesystem")
  func links() async throws {
    try await withDeviceTree { tree, dev in
      let guid = try #require(GUID("12345678-9abc-4def-8123-456789abcdef"))
      let partition = try tree.device(.partition(disk: "slipway-target", number: 2))
      #expect(try partition.extent() == (2048, 4096))
      try partition.linkByPartition(identifier: guid.description, name: "my root")
      let esp = Filesystem(kind: .vfat, label: "ESP/1", uuid: guid, mountPoint: "/boot")
      try partition.linkByFilesystem(uuid: esp.deviceUUID, label: esp.label)
      // A second time: a step that is done again replaces them.
      let root = Filesystem(kind: .ext4, label: "", uuid: guid, mountPoint: "/")
      try partition.linkByFilesystem(uuid: root.deviceUUID, label: root.label)
      #expect(try dev.appending("block/254:2").linkDestination() == "../vda2")
      for name in [
        "by-partuuid/12345678-9abc-4def-8123-456789abcdef", #"by-partlabel/my\x20root"#,
        "by-uuid/1234-5678", #"by-label/ESP\x2f1"#, "by-uuid/12345678-9abc-4def-8123-456789abcdef",
      ] {
        #expect(try dev.appending("disk/\(name)").linkDestination() == "../../vda2")
      }
    }
  }

  @Test("names are encoded as udev does")
  func encoding() {
    #expect(udevEncoded("a b/c\"\\\té#+-.:=@_") == #"a\x20b\x2fc\x22\x5c\x09é#+-.:=@_"#)
  }
}

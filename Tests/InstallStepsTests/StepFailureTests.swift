internal import AgentProtocol
internal import Command
internal import ImageModel
internal import SystemPackage
internal import TestSupport
internal import Testing

@testable internal import InstallSteps

@Suite("failures as the host sees them")
struct StepFailureTests {
  @Test("a failed command brings its words and its last lines")
  func command() async throws {
    try await withScratchDirectory { folder in
      let devices = DeviceTree(sys: folder.string, dev: folder.appending("dev").string)
      try folder.appending("block/vda/serial").write("target")
      try folder.appending("block/vda/vda1/start").write("34")
      try folder.appending("block/vda/vda1/size").write("2048")
      try folder.appending("block/vda/queue/logical_block_size").write("512\n")
      try folder.appending("dev/vda1").write("")
      let guid = try #require(GUID("12345678-9abc-4def-8123-456789abcdef"))
      let step = InstallStep.makeFilesystem(
        on: .partition(disk: "target", number: 1),
        filesystem: Filesystem(kind: .xfs, label: "", uuid: guid, mountPoint: "/"), options: [])
      let runner = RecordingRunner(failing: ["-K": ["mkfs.xfs: too small"]])
      let failure = await #expect(throws: StepFailure.self) {
        try await step.run(in: EventLog().context(runner, root: folder, devices: devices))
      }
      #expect(
        failure
          == StepFailure(
            message: "'mkfs.xfs' exited with status 1",
            command: "mkfs.xfs -q -f -K -m uuid=\(guid) \(folder)/dev/vda1", output: ["mkfs.xfs: too small"]))
    }
  }

  @Test("a mount point that leaves the root is refused", arguments: ["boot", "/../boot", "/a/../../b"])
  func mountPoint(place: String) async throws {
    let guid = try #require(GUID("12345678-9abc-4def-8123-456789abcdef"))
    let step = InstallStep.mountFilesystem(
      on: .partition(disk: "target", number: 1),
      filesystem: Filesystem(kind: .vfat, label: "", uuid: guid, mountPoint: place))
    let failure = await #expect(throws: StepFailure.self) {
      try await step.run(in: EventLog().context(RecordingRunner(), root: "/nowhere"))
    }
    #expect(failure?.message.contains(place) == true)
  }

  @Test("a failed call says what was attempted and why")
  func call() {
    let failure = SystemFailure("open /x", .permissionDenied)
    #expect(StepFailure(of: failure) == StepFailure(message: "cannot open /x: Permission denied"))
  }
}

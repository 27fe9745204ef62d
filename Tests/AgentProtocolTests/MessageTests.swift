import AgentProtocol
import Foundation
import ImageModel
import TestSupport
import Testing

/// The golden files have the JSON of one frame a line: what another build sends and expects.
@Suite struct MessageTests {
  @Test func hostMessagesAreThoseOfTheWire() throws {
    try expectWire(hostMessages(), "host-frames.jsonl")
  }

  @Test func agentMessagesAreThoseOfTheWire() throws {
    try expectWire(agentMessages, "agent-frames.jsonl")
  }

  @Test func aStepIsNamedAsOnTheWire() throws {
    for step in try steps() {
      let json = try JSONSerialization.jsonObject(with: JSONEncoder().encode(step)) as? [String: Any]
      #expect(json.map { Array($0.keys) } == [step.name])
    }
  }

  @Test func secretsAreNotShown() throws {
    let secret = SecretFile(name: "sign.key", variable: "SIGN_KEY", text: "hush")
    let message = HostMessage.request(id: 1, step: .activate(system: "/s"), secrets: [secret])
    #expect(!"\(message)".contains("hush"))
    #expect(!String(reflecting: message).contains("hush"))
  }

  @Test(arguments: [
    #"{"request":{"id":1,"secrets":[],"step":{"exec":{}}}}"#, #"{"request":{"id":1,"secrets":[],"step":{}}}"#,
    #"{"request":{"id":1,"secrets":[],"step":{"activate":{"system":"/s"},"runScript":{"system":"/s","script":""}}}}"#,
    #"{"request":{"id":1,"secrets":[],"step":{"activate":{}}}}"#,
    #"{"request":{"id":1,"step":{"activate":{"system":"/s"}}}}"#, #"{"exec":{}}"#,
    #"{"hello":{"build":"b"}}"#,
    #"{"request":{"id":1,"secrets":[],"step":{"finish":{"disk":{"lvm":{"name":"x"}},"kept":[]}}}}"#,
  ])
  func whatThisVersionDoesNotKnowIsRefused(json: String) {
    #expect(throws: DecodingError.self) {
      try JSONDecoder().decode(HostMessage.self, from: Data(json.utf8))
    }
  }

  @Test(
    arguments: [
      (.max, .max, 1 << 60, 1 << 60), (5, 0, 0, 0), (1, 2, 1, 2), (.max, 7, 7, 7),
    ] as [(UInt64, UInt64, UInt64, UInt64)])
  func progressIsBounded(done: UInt64, total: UInt64, believedDone: UInt64, believedTotal: UInt64) {
    #expect(
      Event.progress(done: done, total: total).bounded
        == .progress(done: believedDone, total: believedTotal))
  }

  /// Compares both ways: a message that encodes to the golden text may still be decoded as another.
  private func expectWire<Message: Codable & Equatable>(_ messages: [Message], _ name: String) throws {
    let lines = try messages.map {
      String(decoding: try FrameCodec.encode($0).dropFirst(4), as: UTF8.self)
    }
    try expectSnapshot(lines.joined(separator: "\n") + "\n", named: name)
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Snapshots")
    let golden = try String(contentsOf: folder.appending(path: name), encoding: .utf8)
    let decoded = try golden.split(separator: "\n").map {
      try JSONDecoder().decode(Message.self, from: Data($0.utf8))
    }
    #expect(decoded == messages)
  }

  private func hostMessages() throws -> [HostMessage] {
    let secret = SecretFile(name: "sign.key", variable: "SLIPWAY_SIGN_KEY", text: "hush")
    let requests = try zip(1..., steps()).map { HostMessage.request(id: $0, step: $1) }
    let context = GuestContext(clock: 946_728_000, entropy: [0, 255], disks: ["slipway-target"])
    return [.hello(oldestVersion: 6, version: 6, build: "b1"), .begin(id: 0, session: context)] + requests + [
      .request(id: 99, step: .activate(system: "/s"), secrets: [secret]), .debugShell(id: 100), .powerOff,
    ]
  }

  private let agentMessages: [AgentMessage] = [
    .hello(oldestVersion: 6, version: 6, build: "b1"), .reply(id: 1),
    .reply(
      id: 2, failure: StepFailure(message: "m", command: "c", output: ["one", "two"], remedy: "r")),
    .reply(id: 3, failure: StepFailure(message: "m")), .event(.heartbeat),
    .event(.log("mkfs.vfat \u{1b}[31m\"é\"/")), .event(.warning("activation ended with status 1")),
    .event(.progress(done: 3, total: .max)),
  ]

  private func steps() throws -> [InstallStep] {
    let guid = try #require(GUID("0fc63daf-8483-4772-8e79-3d69d8477de4"))
    let system = "/nix/store/x"
    let (disk, root) = (
      BlockDevice.disk(serial: "slipway-target"), BlockDevice.partition(disk: "d", number: 1)
    )
    let filesystem = Filesystem(kind: .ext4, label: "nixos", uuid: guid, mountPoint: "/")
    let partition = Partition(
      number: 1, name: "root", type: .linux, guid: guid, start: 2048, sectors: 4096, filesystem: filesystem)
    let layout = DiskLayout(table: .gpt, sectorSize: 512, sectors: 8192, guid: guid, partitions: [partition])
    let owned = OwnedPath(path: "/a", user: "alice", group: "100", marker: 7)
    return [
      .partitionDisk(disk: disk, layout: layout),
      .makeFilesystem(on: root, filesystem: filesystem, options: ["-O", "^has_journal"]),
      .mountFilesystem(on: disk, filesystem: filesystem),
      .copyTree(
        from: .disk(serial: "slipway-source"), type: .ext4, workers: 2, content: .mebibytes(3)),
      .setSystemProfile(system: system, profile: "/nix/var/nix/profiles/system", generation: 2, time: 1),
      .activate(system: system),
      .setOwners(system: system, paths: [owned]),
      .installBootLoader(
        system: system, installsLoader: true, touchEFIVariables: true, disk: disk, diskNames: [],
        bootFiles: .mebibytes(60)),
      .installBootLoader(
        system: system, installsLoader: false, touchEFIVariables: false, disk: disk, diskNames: ["/dev/sda"],
        bootFiles: .mebibytes(0)),
      .runScript(system: system, script: "ls\n"), .finish(disk: disk, kept: ["/etc/machine-id"]),
      .handOver(
        to: .disk(serial: "slipway-handover"),
        trees: [HandedTree(mountPoint: "/", poured: [1, 946_728_000]), HandedTree(mountPoint: "/boot")],
        regions: [DiskRegion(device: disk, offset: ByteSize(bytes: 0), length: ByteSize(bytes: 440))],
        kept: ["/etc/machine-id"]),
      .adoptDisk(disk: disk, layout: layout),
      .addStorePaths(
        from: .disk(serial: "slipway-source"), type: .ext4, workers: 2, content: .mebibytes(3)),
      .writeBack, .unmount(disk: disk, removed: ["/boot/loader/random-seed"]),
    ]
  }
}

import AgentProtocol
import Foundation
import ImageModel
import Testing

@Suite struct MessageTests {
  @Test func everyStepRoundTrips() throws {
    for step in try steps() {
      let message = HostMessage.request(Request(id: 7, step: step))
      let data = try JSONEncoder().encode(message)
      #expect(try JSONDecoder().decode(HostMessage.self, from: data) == message)
      #expect(String(decoding: data, as: UTF8.self).contains("\"step\":\"\(step.name)\""))
    }
  }

  @Test func secretsTravelAndAreNotShown() throws {
    let secret = SecretFile(name: "sign.key", variable: "SIGN_KEY", text: "hush")
    let request = Request(id: 1, step: .activate(ActivateSystem(system: "/s")), secrets: [secret])
    let message = HostMessage.request(request)
    let data = try JSONEncoder().encode(message)
    #expect(try JSONDecoder().decode(HostMessage.self, from: data) == message)
    #expect(!"\(message)".contains("hush"))
    #expect(!String(reflecting: message).contains("hush"))
  }

  @Test(arguments: [HostMessage.hello(Hello(build: "b")), .debugShell(id: 3), .powerOff])
  func everyHostMessageRoundTrips(message: HostMessage) throws {
    let data = try JSONEncoder().encode(message)
    #expect(try JSONDecoder().decode(HostMessage.self, from: data) == message)
  }

  @Test func anUnknownStepIsRefusedByName() {
    let json = Data(#"{"request":{"id":1,"step":{"step":"exec","arguments":{}}}}"#.utf8)
    #expect {
      try JSONDecoder().decode(HostMessage.self, from: json)
    } throws: {
      String(describing: $0).contains("'exec' is not a step of this version")
    }
  }

  private func steps() throws -> [InstallStep] {
    let guid = try #require(GUID("0fc63daf-8483-4772-8e79-3d69d8477de4"))
    let filesystem = Filesystem(kind: .ext4, label: "nixos", uuid: guid, mountPoint: "/")
    let partition = Partition(
      number: 1, name: "root", type: .linux, guid: guid, start: 2048, sectors: 4096, filesystem: filesystem)
    let layout = DiskLayout(table: .gpt, sectorSize: 512, sectors: 8192, guid: guid, partitions: [partition])
    return [
      .partitionDisk(PartitionDisk(disk: "target", layout: layout)),
      .makeFilesystem(MakeFilesystem(disk: "target", partition: 1, filesystem: filesystem)),
      .mountFilesystem(MountFilesystem(disk: "target", partition: 1, filesystem: filesystem)),
      .copyTree(CopyTree(sourceDisk: "source", sourceType: "ext4", workers: 2)),
      .setSystemProfile(SetSystemProfile(system: "/nix/store/x", time: 1)),
      .activate(ActivateSystem(system: "/nix/store/x")),
      .setOwners(
        SetOwners(
          system: "/nix/store/x", paths: [OwnedPath(path: "/a", user: "alice", group: "100", marker: 7)])),
      .installBootLoader(
        InstallBootLoader(system: "/nix/store/x", touchEFIVariables: true, disk: "slipway-target")),
      .runScript(RunScript(system: "/nix/store/x", script: "ls\n")),
      .finish(Finish(disk: "target", kept: ["/etc/machine-id"])),
    ]
  }
}

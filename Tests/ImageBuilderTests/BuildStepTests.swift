import AgentProtocol
import ImageModel
import Testing

@testable import BuildPlan
@testable import ImageBuilder

@Suite struct BuildStepTests {
  @Test func aStepOfTheGuestSaysWhatItDoesAndWhere() throws {
    let guid = try #require(GUID("eb7a7888-8512-5708-a006-03bc295c8db2"))
    func partition(_ number: Int, _ name: String) -> Partition {
      Partition(number: number, name: name, type: .linux, guid: nil, start: 0, sectors: 8, filesystem: nil)
    }
    let disk = DiskLayout(
      table: .gpt, sectorSize: 512, sectors: 64, guid: guid,
      partitions: [partition(1, "ESP"), partition(2, "root"), partition(3, "")])
    let disks = [PlannedDisk(role: .target, serial: "d", size: disk.size, layout: disk)]
    func text(_ step: InstallStep) -> String { BuildStep(step, on: disks).text }
    func made(_ device: BlockDevice, _ kind: FilesystemKind, _ label: String) -> String {
      let filesystem = Filesystem(kind: kind, label: label, uuid: nil, mountPoint: nil)
      return text(.makeFilesystem(on: device, filesystem: filesystem, options: []))
    }
    #expect(made(.partition(disk: "d", number: 2), .ext4, "nixos") == "make ext4 on root (nixos)")
    #expect(made(.partition(disk: "d", number: 1), .vfat, "ESP") == "make vfat on ESP")
    #expect(made(.partition(disk: "d", number: 3), .swap, "") == "make swap on partition 3")
    #expect(made(.disk(serial: "d"), .ext4, "") == "make ext4 on the disk")
    let boot = Filesystem(kind: .vfat, label: "ESP", uuid: nil, mountPoint: "/boot")
    let mount = InstallStep.mountFilesystem(on: .partition(disk: "d", number: 1), filesystem: boot)
    #expect(text(mount) == "mount /boot on ESP")
    #expect(BuildStep(mount, on: disks).name == "mountFilesystem")
    #expect(text(.partitionDisk(disk: .disk(serial: "d"), layout: disk)) == "write the GPT partition table")
  }

  @Test func oneOfSeveralGenerationsIsNamed() {
    func texts(_ systems: [String]) -> [String] {
      [
        InstallStep.setSystemProfile(system: "/b", profile: "/p", generation: 2, time: 1),
        .installBootLoader(
          system: "/b", installsLoader: true, touchEFIVariables: true, disk: .disk(serial: "d"),
          diskNames: [],
          bootFiles: .mebibytes(1)),
      ].map { BuildStep($0, on: [], of: Generations(systems: systems, current: 1)).text }
    }
    #expect(
      texts(["/a", "/b"]) == [
        "set the system profile to generation 2",
        "install the bootloader of generation 2 (switch-to-configuration boot)",
      ])
    #expect(
      texts(["/b"]) == ["set the system profile", "install the bootloader (switch-to-configuration boot)"])
  }

  @Test(arguments: [
    ([], BootPhase.firmware), (["BdsDxe: starting Boot0001"], .firmware),
    (["BdsDxe: starting", "EFI stub: Loaded initrd"], .kernel), (["[    0.000000] Linux version 6"], .kernel),
    (["EFI stub: Loaded initrd", "slipway-agent: started"], .agent),
  ])
  func theConsoleTellsThePhaseOfABoot(lines: [String], phase: BootPhase) {
    #expect(BootPhase(console: lines) == phase)
  }
}

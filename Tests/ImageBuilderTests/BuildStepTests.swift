import AgentProtocol
import ImageModel
import Testing

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
    func text(_ step: InstallStep) -> String { BuildStep(step, on: disk).text }
    func made(_ number: Int, _ kind: FilesystemKind, _ label: String) -> String {
      let filesystem = Filesystem(kind: kind, label: label, uuid: nil, mountPoint: nil)
      return text(.makeFilesystem(MakeFilesystem(disk: "d", partition: number, filesystem: filesystem)))
    }
    #expect(made(2, .ext4, "nixos") == "make ext4 on root (nixos)")
    #expect(made(1, .vfat, "ESP") == "make vfat on ESP")
    #expect(made(3, .swap, "") == "make swap on partition 3")
    #expect(made(0, .ext4, "") == "make ext4 on the disk")
    let boot = Filesystem(kind: .vfat, label: "ESP", uuid: nil, mountPoint: "/boot")
    let mount = InstallStep.mountFilesystem(MountFilesystem(disk: "d", partition: 1, filesystem: boot))
    #expect(text(mount) == "mount /boot on ESP")
    #expect(BuildStep(mount, on: disk).name == "mountFilesystem")
    #expect(text(.partitionDisk(PartitionDisk(disk: "d", layout: disk))) == "write the GPT partition table")
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

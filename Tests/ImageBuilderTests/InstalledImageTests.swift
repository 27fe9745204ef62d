import Basics
import BuildPlan
import Command
import Foundation
import ImageModel
import NixStore
import SystemPackage
import TestSupport
import Testing

@testable import ImageBuilder

/// What is read of an image to which a generation is added.
@Suite struct InstalledImageTests {
  private static let hash = "sha256:\(String(repeating: "0", count: 64))"

  /// `InspectDisk` with a Nix database in which both systems are valid.
  private func disk(
    schema: String = NixDatabase.schemaVersion, _ change: (inout InspectDisk) -> Void = { _ in }
  ) async throws -> InspectDisk {
    let hash = try #require(NarHash(Self.hash))
    let systems = try [InspectDisk.system, InspectDisk.older].map { try #require(StorePath(path: $0)) }
    var disk = InspectDisk()
    disk.rootBytes["nix/var/nix/db/db.sqlite"] = try await NixDatabase.bytes(
      of: Closure(
        roots: systems, paths: systems.map { StorePathInfo(path: $0, narHash: hash, narSize: 100) }),
      from: StoreLocation(), registrationTime: 1)
    disk.rootFiles["nix/var/nix/db/schema"] = schema
    for system in systems {
      disk.rootFiles["\(system.path.dropFirst())/init"] = "#!"
      disk.rootFiles["\(system.path.dropFirst())/system"] = "x86_64-linux"
    }
    change(&disk)
    return disk
  }

  private func read(
    _ disk: InspectDisk, profile: String = "system", mountPoints: [Int: String] = [:],
    then edit: (FilePath) async throws -> Void = { _ in }
  ) async throws -> InstalledImage {
    try await withScratchDirectory { scratch in
      let file = scratch.appending("disk.img")
      try await disk.make(file)
      try await edit(file)
      return try await InstalledImage.read(
        file, profile: profile, mountPoints: mountPoints, isEmulated: true, scratch: scratch)
    }
  }

  private func refusal(
    _ disk: InspectDisk, then edit: (FilePath) async throws -> Void = { _ in }
  ) async throws -> String {
    let fault = await #expect(throws: Fault.self) { try await read(disk, then: edit) }
    #expect(fault?.kind == .badInput)
    return fault?.message ?? ""
  }

  @Test func theSystemIsRead() async throws {
    let image = try await read(disk())
    #expect(image.generations == [1: InspectDisk.older, 2: InspectDisk.system] && image.current == 2)
    #expect(image.machineType == "x86_64-linux")
    #expect(image.registered.valid.map(\.path).sorted() == [InspectDisk.system, InspectDisk.older])
    #expect(image.layout.table == .gpt && image.layout.sectors == 65536)
    #expect(image.layout.guid == GUID("11111111-2222-4333-8444-555555555555"))
    let places = image.layout.partitions.map {
      $0.filesystem.map { "\($0.kind.rawValue) \($0.mountPoint ?? "")" }
    }
    #expect(places == ["vfat /boot", "ext4 /"])
    #expect(image.layout.partitions.map(\.start) == [2048, 20480])
    #expect(image.rootFree.bytes > 1 << 20 && (image.rootInodes ?? 0) > 10)
    #expect(
      image.boot.map(\.mountPoint) == ["/boot"] && image.boot.map(\.names) == [["initrd.efi", "kernel.efi"]])
  }

  @Test func theStateOfOneMachineThatIsThereIsKnown() async throws {
    let image = try await read(
      disk {
        $0.rootFiles["etc/machine-id"] = "id"
        $0.bootFiles["loader/random-seed"] = "seed"
      })
    #expect(!image.absentState.contains("/etc/machine-id"))
    #expect(!image.absentState.contains("/boot/loader/random-seed"))
    #expect(image.absentState.contains("/etc/ssh/ssh_host_rsa_key"))
    #expect(try await read(disk()).absentState.contains("/boot/loader/random-seed"))
  }

  /// Kernels that are there are not copied again.
  @Test func onlyKernelsThatAreMissingNeedRoom() async throws {
    let image = try await read(
      disk { $0.bootFiles["EFI/nixos/abc-linux-bzImage.efi"] = "kernel" })
    let facts = image.facts(adding: [
      .init(object: "abc-linux", name: "bzImage", size: 5 << 20),
      .init(object: "def-initrd", name: "initrd", size: 1000),
    ])
    let cluster = try #require(image.boot.first).clusterSize
    #expect(facts.boot.map(\.need) == [ByteSize(bytes: 1000).rounded(upTo: cluster)])
  }

  @Test func withoutATableOfMountsTheTypesOfPartitionsCount() async throws {
    let plain = try await disk { disk in
      for system in [InspectDisk.system, InspectDisk.older] {
        disk.rootFiles["\(system.dropFirst())/etc/fstab"] = nil
      }
    }
    #expect(try await read(plain).boot.map(\.mountPoint) == ["/boot"])
    #expect(try await read(plain, mountPoints: [1: "/efi"]).boot.map(\.mountPoint) == ["/efi"])
  }

  @Test func aNewProfileHasNoGenerationsYet() async throws {
    let image = try await read(disk(), profile: "test")
    #expect(image.generations.isEmpty && image.current == nil)
    let further = try await read(
      disk {
        $0.rootFiles["nix/var/nix/profiles/system-profiles/test-3-link"] = "-> \(InspectDisk.older)"
        $0.rootFiles["nix/var/nix/profiles/system-profiles/test"] = "-> test-3-link"
        $0.rootFiles["nix/var/nix/profiles/system-profiles/test-a-9-link"] = "-> \(InspectDisk.older)"
      }, profile: "test")
    #expect(further.generations == [3: InspectDisk.older] && further.current == 3)
  }

  @Test func imagesWithoutASystemAreRefused() async throws {
    func refusal(_ change: (inout InspectDisk) -> Void) async throws -> String {
      try await self.refusal(disk(change))
    }
    func without(_ files: String...) async throws -> String {
      try await refusal { disk in
        for file in files { disk.rootFiles[file] = nil }
      }
    }
    #expect(try await without("nix/var/nix/profiles/system").contains("is at no generation"))
    #expect(try await without("\(InspectDisk.system.dropFirst())/init").contains("not a NixOS system"))
    #expect(try await refusal { $0.rootBytes = [:] }.contains("no Nix database"))
    #expect(try await self.refusal(disk(schema: "9")).contains("version '9'"))
    #expect(
      try await refusal { $0.rootFiles["nix/var/nix/profiles/system-3-link"] = "-> /etc" }.contains(
        "generation 3 of its profile system is not valid"))
    #expect(
      try await refusal {
        $0.rootFiles = ["etc/hostname": "x"]; $0.rootBytes = [:]
      }.contains("no filesystem on it"))
  }

  @Test(arguments: [
    (
      "/dev/disk/by-label/ESP /boot", "/dev/disk/by-label/gone /boot",
      "mounts /dev/disk/by-label/gone at /boot"
    ),
    ("/dev/disk/by-label/ESP /boot", "/dev/vda7 /boot", "mounts /dev/vda7 at /boot"),
    ("/dev/disk/by-label/ESP /boot", "/dev/mapper/boot /boot", "mounts /dev/mapper/boot at /boot"),
    ("/dev/disk/by-uuid/\(InspectDisk.rootUUID) /", "tmpfs /", "mounts tmpfs at /"),
    ("/dev/disk/by-uuid/\(InspectDisk.rootUUID) /", "/dev/vda1 /", "mounts /dev/vda1 at /"),
  ])
  func whatIsNotOnTheDiskIsRefused(line: String, other: String, words: String) async throws {
    let disk = try await disk { disk in
      let file = "\(InspectDisk.system.dropFirst())/etc/fstab"
      disk.rootFiles[file] = disk.rootFiles[file]?.replacing(line, with: other)
    }
    #expect(try await refusal(disk).contains(words))
  }

  @Test func aRootThatWasNotUnmountedIsRefused() async throws {
    let message = try await refusal(disk()) { file in
      // The superblock's field of what a kernel has to know; its checksum is not looked at.
      let place = (10 << 20) + 1024 + 0x60
      let handle = try FileHandle(forUpdating: URL(filePath: file.string))
      try handle.seek(toOffset: UInt64(place))
      let byte = try #require(try handle.read(upToCount: 1)?.first)
      try handle.seek(toOffset: UInt64(place))
      try handle.write(contentsOf: [byte | 0x4])
      try handle.close()
    }
    #expect(message.contains("was not unmounted"), "\(message)")
  }

  @Test func anEncryptedRootIsRefused() async throws {
    let message = try await refusal(disk()) { file in
      let handle = try FileHandle(forUpdating: URL(filePath: file.string))
      try handle.seek(toOffset: 10 << 20)
      try handle.write(contentsOf: [0x4c, 0x55, 0x4b, 0x53, 0xba, 0xbe] + [UInt8](repeating: 0, count: 4090))
      try handle.close()
    }
    #expect(message.contains("partition 2 is encrypted"), "\(message)")
  }

  @Test(
    arguments: [
      ("/dev/vda1", 1), ("/dev/sdb12", 12), ("/dev/nvme0n1p3", 3), ("/dev/mmcblk0p1", 1), ("/dev/vda", 0),
      ("/dev/nvme0n1", 0), ("/dev/mapper/x1", nil), ("/dev/vda99999", nil), ("tmpfs", nil),
      ("/dev/../vda1", nil),
    ] as [(String, Int?)])
  func partitionsAreKnownByTheKernelsNames(device: String, number: Int?) {
    #expect(InstalledImageReader.partitionNumber(of: device) == number)
  }
}

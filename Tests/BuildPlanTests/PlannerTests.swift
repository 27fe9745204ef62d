import AgentProtocol
import Basics
import BuildPlan
import Ext4Geometry
import Foundation
import ImageModel
import TestSupport
import Testing

@Suite struct PlannerTests {
  @Test func thePlanIsTheGoldenOne() throws {
    try expectSnapshot(plan().json(), named: "plan-efi-ext4.json")
  }

  @Test func thePlanReadsBack() throws {
    let plan = try plan { $0.fsType = .btrfs }
    #expect(try JSONDecoder().decode(BuildPlan.self, from: JSONEncoder().encode(plan)) == plan)
  }

  @Test func partitionsFillTheDiskInOrder() throws {
    for filesystem in [FilesystemKind.ext4, .ext3, .ext2, .xfs, .btrfs, .f2fs] {
      let disk = try plan { $0.fsType = filesystem }.target
      let esp = disk.partitions[0]
      let root = disk.partitions[1]
      #expect(esp.start == 16384)
      #expect(esp.start + esp.sectors == root.start)
      #expect(root.start + root.sectors + 2048 == disk.sectors)
      #expect(disk.partitions.allSatisfy { $0.start % 2048 == 0 && $0.sectors % 2048 == 0 })
    }
  }

  @Test func theBootPartitionsAloneAreInstalledFromAScratchDisk() throws {
    try expectSnapshot(plan { $0.store = .host }.json(), named: "plan-efi-host-store.json")
    for table in [PartitionTable.efi, .efixbootldr, .hybrid, .legacyBoot] {
      let plan = try plan {
        $0.store = .host
        $0.partitionTableType = table
      }
      let target = try plan.target
      #expect(target.root == nil)
      #expect(target.size <= .mebibytes(257))
      #expect(plan.disks.map(\.role) == [.target, .scratch, .handover])
      #expect(plan.pour.device == .disk(serial: DiskSerial.scratch))
    }
    // What the guest copies into its place comes from a third disk.
    let copied = try plan {
      $0.store = .host
      $0.fsType = .xfs
    }
    #expect(copied.disks.map(\.role) == [.target, .scratch, .source, .handover])
  }

  /// The host makes the final disk where it can write all of it; else what the guest wrote stays.
  @Test(arguments: [
    (FilesystemKind.ext4, true), (.ext3, false), (.xfs, false), (.btrfs, false), (.f2fs, false),
  ])
  func whatTheHostCanWriteIsHandedOver(kind: FilesystemKind, isHandedOver: Bool) throws {
    let plan = try plan { $0.fsType = kind }
    #expect((plan.handover != nil) == isHandedOver)
    #expect(plan.steps.last?.step.name == (isHandedOver ? "handOver" : "finish"))
    #expect(plan.disks.contains { $0.role == .handover } == isHandedOver)
    // A further filesystem, too, has to be one that the host writes.
    let further = try self.plan {
      $0.partitions = [PartitionEntry(name: "data", size: .mebibytes(512), fsType: kind, mountPoint: "/data")]
    }
    #expect((further.handover != nil) == isHandedOver)
  }

  /// What is handed over beside files: code, and the header of swap.
  @Test func bootAreasAreHandedOver() throws {
    func regions(_ table: PartitionTable) throws -> [DiskRegion] {
      try plan {
        $0.partitionTableType = table
        $0.touchEFIVars = table == .efi
      }.handover?.regions ?? []
    }
    let target = BlockDevice.disk(serial: DiskSerial.target)
    func first(_ length: UInt64) -> DiskRegion {
      DiskRegion(device: target, offset: ByteSize(bytes: 0), length: ByteSize(bytes: length))
    }
    #expect(try regions(.efi) == [first(440)])
    #expect(try regions(.none) == [first(1024)])
    // The table of a disk of large sectors comes from the guest.
    let large = try plan { $0.sectorSize = 4096 }
    let sectors = try large.target.sectors
    #expect(
      large.handover?.regions == [
        first(6 * 4096),
        DiskRegion(
          device: target, offset: ByteSize(sectors - 5, times: 4096), length: ByteSize(5, times: 4096)),
      ])
    let gap = DiskRegion(
      device: target, offset: ByteSize(bytes: 512), length: ByteSize(bytes: 2047 * 512))
    #expect(try regions(.legacy) == [first(440), gap])
    let hybrid = try regions(.hybrid)
    #expect(hybrid.count == 2 && hybrid[0] == first(440))
    #expect(hybrid[1].device != target && hybrid[1].offset.bytes == 0 && hybrid[1].length.bytes > 1 << 16)
  }

  @Test func bootSizeIsTheEndOfTheESP() throws {
    let disk = try plan { $0.bootSize = .mebibytes(512) }.target
    #expect(disk.partitions[1].start * 512 == 512 << 20)
  }

  @Test func additionalSpaceIsOnTop() throws {
    let none = try plan { $0.additionalSpace = ByteSize(bytes: 0) }.target.size.bytes
    let more = try plan { $0.additionalSpace = ByteSize(bytes: 4 << 30) }.target.size.bytes
    #expect(more - none >= 4 << 30)
  }

  @Test func theSeedDecidesEveryIdentifier() throws {
    func identifiers(_ plan: BuildPlan) throws -> [GUID] {
      let disk = try plan.target
      return [disk.guid] + disk.partitions.flatMap { [$0.guid, $0.filesystem?.uuid].compactMap(\.self) }
    }
    let first = try identifiers(plan())
    #expect(try first == identifiers(plan()))
    #expect(Set(first).count == 5)
    let seeded = try identifiers(plan { $0.seed = GUID(high: 1, low: 2) })
    #expect(Set(first).isDisjoint(with: seeded))
    #expect(first.allSatisfy { $0.description.dropFirst(14).first == "5" })
  }

  @Test func aBuildThatIsNotDeterministicHasASeedAndATimeOfItsOwn() throws {
    var spec = ImageSpec()
    (spec.system, spec.deterministic) = ("/nix/store/x", false)
    let resolved = try ResolvedSpec(spec)
    #expect(!resolved.isDeterministic)
    let seeds = [GUID(high: 1, low: 2), GUID(high: 3, low: 4)]
    let individual = seeds.map { resolved.individual(seed: $0, time: 1_700_000_000) }
    #expect(individual.map { $0.seed(of: ["/nix/store/x"]) } == seeds)
    #expect(individual[0].rootUUID(of: ["/nix/store/x"]) != individual[1].rootUUID(of: ["/nix/store/x"]))
    let plan = try plan(individual[0])
    #expect(plan.machine?.clock == 1_700_000_000 && plan.pour.time == 1_700_000_000)
    #expect(try self.plan().machine?.clock == ResolvedSpec.fixedTime)
  }

  @Test func whatIsNotSealedSaysWhy() throws {
    #expect(try plan().directPath == nil)
    #expect(try plan { $0.store = .host }.directPath == nil)
    #expect(
      try plan {
        $0.onlyNixStore = true
        $0.installBootLoader = false
      }.directPath == nil)
    #expect(try plan { $0.fsType = .xfs }.directPath == "the root filesystem is xfs")
    #expect(try plan { $0.mkfsOptions = ["-m", "0"] }.directPath == "mkfsOptions are given")
    #expect(
      try plan { $0.contents = [ContentEntry(source: "/a", target: "/boot/a")] }.directPath
        == "contents are on another partition than the root")
    #expect(
      try plan { $0.partitions = [PartitionEntry(name: "data", size: .mebibytes(300), fsType: .btrfs)] }
        .directPath
        == "the filesystem of partition 3 is btrfs")
  }

  @Test func chosenIdentifiersAreUsed() throws {
    let disk = try plan {
      $0.rootGPUID = GUID(high: 3, low: 4)
      $0.rootFSUID = GUID(high: 5, low: 6)
    }.target
    #expect(disk.partitions[1].guid == GUID(high: 3, low: 4))
    #expect(disk.partitions[1].filesystem?.uuid == GUID(high: 5, low: 6))
  }

  @Test(arguments: ["/efi", "/boot/efi/", "//srv/esp"])
  func theESPIsMountedWhereTheSystemHasIt(place: String) throws {
    let usual = try plan()
    let plan = try plan { $0.espMountPoint = place }
    let path = "/" + place.split(separator: "/").joined(separator: "/")
    #expect(try plan.target.partitions[0].filesystem?.mountPoint == path)
    #expect(
      plan.steps.contains { planned in
        if case .mountFilesystem(_, let filesystem) = planned.step {
          filesystem.mountPoint == path
        } else {
          false
        }
      })
    // What is not the mount point is as ever, but for the kernels, for which the root has room.
    #expect(try plan.target.partitions.map(\.guid) == usual.target.partitions.map(\.guid))
    #expect(try plan.target.size > usual.target.size)
    #expect(try self.plan { $0.espMountPoint = "/boot" }.target == usual.target)
  }

  @Test func contentsOnAnESPElsewhereAreCopiedWhenItIsMounted() throws {
    let contents = [ContentEntry(source: "/a", target: "/boot/a")]
    #expect(try !plan { $0.contents = contents }.poursIntoTarget)
    #expect(
      try plan {
        $0.contents = contents
        $0.espMountPoint = "/efi"
      }.poursIntoTarget)
  }

  @Test func theDiskHasTheNamesOfAllGRUBDevices() throws {
    let plan = try plan { $0.grubDevice = ["/dev/sda", "/dev/disk/by-id/x"] }
    let names = plan.steps.compactMap { planned -> [String]? in
      if case .installBootLoader(_, true, _, _, let names, _) = planned.step { names } else { nil }
    }
    #expect(names == [["/dev/sda", "/dev/disk/by-id/x"]])
  }

  @Test func withoutABootLoaderNoStepInstallsOne() throws {
    let steps = try plan { $0.installBootLoader = false }.steps.map(\.step.name)
    #expect(!steps.contains("installBootLoader"))
    #expect(steps.last == "handOver")
  }

  @Test func theRootIsMountedBeforeWhatIsInIt() throws {
    let steps = try plan().steps.map(\.step.name)
    #expect(
      steps == [
        "partitionDisk", "makeFilesystem", "mountFilesystem", "mountFilesystem", "setSystemProfile",
        "activate", "installBootLoader", "handOver",
      ])
    #expect(try plan().poursIntoTarget)
  }

  @Test func ownersAreSetWhenActivationHasMadeThem() throws {
    let plan = try plan {
      $0.contents = [
        ContentEntry(source: "/a", target: "/srv/a", user: "alice", group: "users"),
        ContentEntry(source: "/b", target: "/srv/b"),
      ]
    }
    let names = plan.steps.map(\.step.name)
    #expect(names.drop { $0 != "activate" } == ["activate", "setOwners", "installBootLoader", "handOver"])
    let owners = plan.steps.compactMap { if case .setOwners(_, let paths) = $0.step { paths } else { nil } }
    #expect(
      owners == [[OwnedPath(path: "/srv/a", user: "alice", group: "users", marker: ContentOwner.firstMarker)]]
    )
  }

  @Test func numbersNeedNoGuestAndNamesAMarkOfTheirOwn() throws {
    func entry(_ target: String, _ user: String, _ group: String) -> ContentEntry {
      ContentEntry(source: "/a", target: target, user: user, group: group)
    }
    let plan = try plan {
      $0.contents = [entry("/a", "1000", "100"), entry("/b", "alice", "100"), entry("/c", "7", "users")]
    }
    let owners = plan.steps.compactMap { if case .setOwners(_, let paths) = $0.step { paths } else { nil } }
    #expect(owners.flatMap { $0 }.map(\.path) == ["/b", "/c"])
    #expect(Set(owners.flatMap { $0 }.map(\.marker)).count == 2)
  }

  @Test(arguments: [
    (PartitionTable.efi, "/boot/EFI/x", false), (.efi, "/", false), (.efi, "/boo", true),
    (.hybrid, "/boot", false),
    (.efixbootldr, "/efi/a", false), (.efixbootldr, "/boot/a", false), (.legacyGPT, "/boot/a", true),
    (.none, "/boot/a", true),
  ])
  func contentsBelowAMountAreCopiedWhenItIsMounted(
    table: PartitionTable, target: String, isPoured: Bool
  ) throws {
    let plan = try plan {
      $0.partitionTableType = table
      $0.contents = [ContentEntry(source: "/a*", target: target)]
    }
    #expect(plan.poursIntoTarget == isPoured)
    let names = plan.steps.map(\.step.name)
    guard !isPoured else { return }
    let copy = try #require(names.firstIndex(of: "copyTree"))
    #expect(try copy > #require(names.lastIndex(of: "mountFilesystem")))
  }

  @Test func whatContentsBringOfAMachinesStateIsKept() throws {
    let facts = ClosureFacts(
      systems: ["/nix/store/x"], tree: TreeNeed(blocks: 1, inodes: 1), contentState: ["/etc/machine-id"])
    var spec = ImageSpec()
    spec.system = "/nix/store/x"
    spec.partitionTableType = PartitionTable.none
    spec.touchEFIVars = false
    spec.installBootLoader = false
    let plan = try Planner(
      spec: ResolvedSpec(spec), closure: facts, machine: MachineFacts(firmware: nil, accelerator: .tcg)
    ).plan()
    let kept = plan.steps.compactMap { planned in
      if case .handOver(_, _, _, let kept) = planned.step { kept } else { nil }
    }
    #expect(kept == [["/etc/machine-id"]])
  }

  @Test func aChannelOfAStoreAloneIsOneMorePath() throws {
    var spec = ImageSpec()
    spec.system = "/nix/store/y"
    spec.onlyNixStore = true
    spec.copyChannel = .path("/nix/store/x")
    #expect(try ResolvedSpec(spec).channel == "/nix/store/x")
  }

  @Test func aScriptRunsInTheFinishedSystem() throws {
    let plan = try plan {
      $0.extraFiles = [ContentEntry(source: "/a", target: "/srv/a", user: "alice", group: "users")]
      $0.postInstall = "true"
      $0.postVM = "ls"
    }
    let names = plan.steps.map(\.step.name)
    #expect(
      names.drop { $0 != "activate" } == [
        "activate", "setOwners", "installBootLoader", "runScript", "handOver",
      ])
    #expect(plan.postVM == "ls" && plan.preVM == nil)
  }

  @Test func everyFormatIsAFile() throws {
    let images = try plan { $0.format = [.qcow2, .vpc, .compressedRaw, .raw] }.outputs.images
    #expect(images.map(\.file) == ["nixos.qcow2", "nixos.vhd", "nixos.img.zst", "nixos.img"])
    #expect(Set(images.map(\.identifier)).count == 4)
  }

  @Test func extraFilesAreTheirOwnersAlone() throws {
    var spec = ImageSpec()
    spec.system = "/nix/store/x"
    spec.extraFiles = [
      ContentEntry(source: "/a", target: "/srv/a"),
      ContentEntry(source: "/a", target: "/srv/b", mode: ContentMode("0640")),
    ]
    let entries = try ResolvedSpec(spec).contents
    #expect(entries.map(\.entry.mode) == [ContentMode("0600"), ContentMode("0640")])
    #expect(entries.allSatisfy { $0.key == "extraFiles" && $0.isSecret })
  }

  @Test func otherRootsAreCopiedFromAPouredDisk() throws {
    let plan = try plan { $0.fsType = .xfs }
    #expect(
      plan.steps.map(\.step.name).prefix(6) == [
        "partitionDisk", "makeFilesystem", "makeFilesystem", "mountFilesystem", "mountFilesystem", "copyTree",
      ])
    #expect(!plan.poursIntoTarget)
    #expect(plan.pour.filesystem.kind == .ext4)
  }

  @Test func theRootHasThePromisedRoom() throws {
    for space in [0, 64, 512, 4096] as [UInt64] {
      let plan = try plan { $0.additionalSpace = .mebibytes(space) }
      let blocks = plan.pour.size.bytes / 4096
      let inodes = try #require(plan.pour.filesystem.inodes)
      let geometry = try #require(Geometry(blocks: blocks, inodes: inodes))
      let room = try #require(geometry.available(after: tree)) * 4096
      // What the installation itself takes is on top, and the root ends at a whole MiB.
      #expect((space << 20..<(space << 20) + (2 << 20)).contains(room))
      #expect(try plan.pour.size.bytes == plan.target.partitions[1].sectors * 512)
    }
  }

  @Test func aFixedDiskHasTheUsualInodes() throws {
    let plan = try plan { $0.diskSize = .fixed(.mebibytes(8192)) }
    #expect(try plan.target.size == .mebibytes(8192))
    #expect(plan.pour.filesystem.inodes == plan.pour.size.bytes / 16384)
  }

  @Test func theLeastFixedSizeThatARefusalNamesIsTaken() throws {
    let error = try #require(throws: SpecError.self) { try plan { $0.diskSize = .fixed(.mebibytes(300)) } }
    let least = try #require(UInt64(error.remedy.filter(\.isNumber)))
    #expect(try plan { $0.diskSize = .fixed(.mebibytes(least)) }.target.size == .mebibytes(least))
    #expect(throws: SpecError.self) { try plan { $0.diskSize = .fixed(.mebibytes(least - 1)) } }
  }

  /// make-disk-image's geometry, in MiB where there is no unit: name, start, end, mount point.
  @Test(
    arguments: [
      (.none, ["root 0 end /"]),
      (.legacy, ["root 1M end /"]),
      (.legacyBoot, ["BOOT 1M 256M /boot", "root 256M end /"]),
      (.legacyGPT, ["no-fs 1M 2M -", "root 2M end /"]),
      (.efi, ["ESP 8M 256M /boot", "root 256M end /"]),
      (.efixbootldr, ["ESP 8M 100M /efi", "BOOT 100M 256M /boot", "root 256M end /"]),
      (.hybrid, ["ESP 8M 256M /boot", "no-fs 17408 1M -", "root 256M end /"]),
    ] as [(PartitionTable, [String])])
  func everyTableHasMakeDiskImagesGeometry(table: PartitionTable, parts: [String]) throws {
    let plan = try plan { $0.partitionTableType = table }
    let disk = try plan.target
    let end = disk.sectors - (disk.table == .gpt ? 2048 : 0)
    func place(_ sector: UInt64) -> String {
      if sector == end { return "end" }
      return sector == 0 ? "0" : sector % 2048 == 0 ? "\(sector / 2048)M" : "\(sector * 512)"
    }
    let described = disk.partitions.map { part in
      "\(part.name) \(place(part.start)) \(place(part.start + part.sectors)) \(part.filesystem?.mountPoint ?? "-")"
    }
    #expect(described == parts)
    let hasESP = disk.partitions.contains { $0.type == .efiSystem }
    #expect((plan.machine?.firmware != nil) == hasESP)
    #expect((plan.outputs.efiVariables != nil) == hasESP)
    #expect(disk.table == (table == .none ? .none : [.legacy, .legacyBoot].contains(table) ? .mbr : .gpt))
    #expect(Set(disk.partitions.compactMap(\.guid)).count == (disk.table == .gpt ? parts.count : 0))
    #expect(disk.activePartition == (disk.table == .mbr ? 1 : nil))
    #expect(plan.steps.map(\.step.name).contains("partitionDisk") == (table != .none))
  }

  @Test func aBIOSDiskCanBeBootedByEFIAsWell() throws {
    let plan = try plan {
      $0.partitionTableType = .legacyGPT
      $0.touchEFIVars = true
    }
    #expect(plan.machine?.firmware != nil && plan.outputs.efiVariables != nil)
  }

  @Test(arguments: PartitionTable.allCases)
  func aStoreAloneFitsEveryTable(table: PartitionTable) throws {
    let plan = try plan {
      $0.onlyNixStore = true
      $0.partitionTableType = table
      $0.additionalSpace = .mebibytes(0)
    }
    let disk = try plan.target
    let root = try #require(disk.partitions.last)
    #expect(plan.steps.isEmpty && plan.machine == nil && plan.outputs.efiVariables == nil)
    #expect(plan.pour.tree == .store && plan.poursIntoTarget)
    #expect(plan.pour.offset.bytes == root.start * 512)
    #expect(root.filesystem?.label == "nix-store")
    #expect(root.start + root.sectors + (disk.table == .gpt ? 2048 : 0) == disk.sectors)
    #expect(
      disk.partitions.map(\.number) == (table == .none ? [0] : Array(1...disk.partitions.count))
    )
    let sorted = disk.partitions.dropLast().sorted { $0.start < $1.start }
    for (before, after) in zip(sorted, sorted.dropFirst() + [root]) {
      #expect(before.start + before.sectors <= after.start)
      #expect(before.filesystem == nil)
    }
  }

  @Test func keysOfSecureBootAreInThePlanByTheirPaths() throws {
    #expect(try plan { $0.secureBoot = keys }.secureBoot == keys)
  }

  @Test(arguments: badSpecs)
  fileprivate func aSpecThatCannotBeBuiltIsRefused(bad: BadSpec) throws {
    let error = try #require(throws: SpecError.self) { try plan(bad.change) }
    #expect(error.key == bad.key)
    #expect(!error.remedy.isEmpty)
  }

  @Test func tooSmallADiskSaysWhatItNeeds() throws {
    let error = try #require(throws: SpecError.self) { try plan { $0.diskSize = .fixed(.mebibytes(300)) } }
    #expect(error.message.contains("300.0 MiB leaves 43.0 MiB"))
    #expect(error.remedy.contains("at least"))
  }

  /// Whatever the partition table and the root, and with the space that was asked for.
  @Test(arguments: PartitionTable.allCases, [FilesystemKind.ext4, .ext3, .xfs, .btrfs])
  func theDiskOfAnArchiveIsWholeGibibytes(table: PartitionTable, filesystem: FilesystemKind) throws {
    for space in stride(from: UInt64(0), to: 2048, by: 97) {
      let plain = try plan {
        $0.partitionTableType = table
        $0.fsType = filesystem
        $0.additionalSpace = .mebibytes(space)
      }.target
      let disk = try plan {
        $0.partitionTableType = table
        $0.fsType = filesystem
        $0.additionalSpace = .mebibytes(space)
        $0.format = [.archivedRaw, .raw]
      }.target
      #expect(disk.size.bytes % (1 << 30) == 0)
      #expect(disk.size >= plain.size && disk.size.bytes - plain.size.bytes < 1 << 30)
      let (root, inodes) = (try #require(disk.root), disk.root?.filesystem?.inodes)
      #expect(inodes ?? 0 >= plain.root?.filesystem?.inodes ?? 0)
      guard let inodes, filesystem == .ext4 else { continue }
      let size = ByteSize(bytes: root.sectors * disk.sectorSize)
      #expect(tree.fits(size, room: .mebibytes(space), inodes: inodes))
    }
  }

  /// A journal of 64 MiB becomes one of 128 MiB beyond 4 GiB, which may be more than what came to the root.
  @Test func aLargerJournalTakesNothingOfTheSpace() throws {
    for space in stride(from: UInt64(2600), to: 3900, by: 1) {
      let disk = try plan {
        $0.partitionTableType = PartitionTable.none
        $0.additionalSpace = .mebibytes(space)
        $0.format = [.archivedRaw]
      }.target
      let inodes = try #require(disk.root?.filesystem?.inodes)
      #expect(tree.fits(disk.size, room: .mebibytes(space), inodes: inodes), "\(space)")
    }
  }

  @Test func aFixedDiskOfTheRightUnitIsKept() throws {
    let disk = try plan {
      $0.diskSize = .fixed(.mebibytes(3072))
      $0.format = [.archivedRaw, .fixedVPC, .streamVMDK]
    }.target
    #expect(disk.size == .mebibytes(3072))
    let error = try #require(throws: SpecError.self) {
      try plan {
        $0.diskSize = .fixed(.mebibytes(1024))
        $0.bootSize = .mebibytes(1000)
        $0.format = [.archivedRaw]
      }
    }
    #expect(error.key == "diskSize" && error.remedy.contains("at least 2048M"))
  }

  /// A disk is as large as somebody says, or is refused.
  @Test(arguments: [PartitionTable.efi, .legacy, .none])
  func aFixedDiskIsWholeMebibytes(table: PartitionTable) throws {
    let error = try #require(throws: SpecError.self) {
      try plan {
        $0.partitionTableType = table
        $0.diskSize = .fixed(ByteSize(bytes: (3072 << 20) + 512))
      }
    }
    #expect(error.key == "diskSize" && error.message.contains("3221225984 bytes are not whole MiB"))
    #expect(error.remedy.contains("3072M or 3073M"))
  }

  private func sizes(_ files: [UInt64], directories: Int = 0) -> ContentSizes {
    var sizes = ContentSizes()
    for file in files { sizes.addFile(file) }
    for _ in 0..<directories { sizes.addDirectory() }
    return sizes
  }

  /// `bootFiles` are 60 MiB, and the ESP has 248.
  @Test func contentsOnTheESPAreCountedBeforeAnythingIsBuilt() throws {
    func plan(
      _ sizes: ContentSizes, at place: String = "/boot", _ change: (inout ImageSpec) -> Void = { _ in }
    )
      throws
    {
      _ = try self.plan(contentSizes: [place: sizes], change)
    }
    try plan(sizes([183 << 20]))
    let error = try #require(throws: SpecError.self) { try plan(sizes([190 << 20], directories: 1)) }
    #expect(error.key == "bootSize")
    #expect(
      error.message
        == "the partition ESP has 248.0 MiB, and the kernels, initrds and bootloader and the contents need 254.0 MiB"
    )
    let least = try #require(error.remedy.split(separator: " ").compactMap { UInt64($0.dropLast(2)) }.first)
    try plan(sizes([190 << 20], directories: 1)) { $0.bootSize = .mebibytes(least) }
    // A file of one byte takes a cluster.
    #expect(throws: SpecError.self) { try plan(sizes(Array(repeating: 1, count: 100_000))) }
    // Without a bootloader there is room for the contents alone, and for FAT's own tables.
    try plan(sizes([243 << 20])) { $0.installBootLoader = false }
    #expect(throws: SpecError.self) { try plan(sizes([248 << 20])) { $0.installBootLoader = false } }
    #expect(throws: SpecError.self) { try plan(sizes([UInt64.max, 4096])) }
  }

  @Test func contentsOnOtherFATPartitionsAreCountedToo() throws {
    let small = try #require(throws: SpecError.self) {
      try plan(contentSizes: ["/efi": sizes([93 << 20])]) { $0.partitionTableType = .efixbootldr }
    }
    #expect(small.key == "contents" && small.message.contains("the partition ESP has 92.0 MiB"))
    let further = try #require(throws: SpecError.self) {
      try plan(contentSizes: ["/data": sizes([64 << 20])]) {
        $0.partitions = [
          PartitionEntry(name: "data", size: .mebibytes(64), fsType: .vfat, mountPoint: "/data")
        ]
      }
    }
    #expect(further.key == "partitions" && further.message.contains("the partition data has 64.0 MiB"))
  }

  @Test func theGuestKnowsWhatItsStepsNeed() throws {
    let steps = try plan { $0.fsType = .xfs }.steps.map(\.step)
    let content = ByteSize(bytes: tree.blocks * 4096)
    #expect(steps.contains { if case .copyTree(_, _, _, content) = $0 { true } else { false } })
    #expect(
      steps.contains {
        if case .installBootLoader(_, _, _, _, _, .mebibytes(60)) = $0 { true } else { false }
      })
  }

  @Test func theBootLoadersStepNamesWhatItSignsWith() throws {
    let keys = SecureBootSpec(pk: "/pk", kek: ["/kek"], db: ["/db"])
    func secrets(_ sign: SigningSpec?) throws -> [String: [String]] {
      let plan = try plan {
        $0.secureBoot = keys
        $0.secureBoot?.sign = sign
      }
      return Dictionary(plan.steps.map { ($0.step.name, $0.secrets) }) { $0 + $1 }.filter {
        !$0.value.isEmpty
      }
    }
    #expect(
      try secrets(SigningSpec(key: "/key", cert: "/cert")) == ["installBootLoader": ["sign.key", "sign.pem"]])
    #expect(try secrets(nil).isEmpty)
  }

  @Test func theDisksAreFoundByTheirDevices() throws {
    let copied = try plan { $0.fsType = .xfs }
    #expect(copied.disks.map(\.role) == [.target, .source])
    #expect(copied.disks[copied.pour.device]?.size == copied.pour.size)
    #expect(copied.disks.partition(copied.pour.device) == nil)
    var plan = try plan()
    #expect(try plan.disks.partition(plan.pour.device) == plan.target.root)
    plan.disks.append(plan.disks[0])
    #expect(throws: Fault.self) { try plan.target }
    plan.disks = []
    #expect(throws: Fault.self) { try plan.target }
  }

  @Test("more processors than the host has are not more than sense", arguments: [(2, 4), (1, 2), (64, 64)])
  func processors(host: Int, given: Int) throws {
    #expect(try plan(processors: host) { $0.cpus = 64 }.machine?.cpus == given)
    #expect(try plan(processors: host) { $0.cpus = 2 }.machine?.cpus == 2)
    // Another machine runs the guest.
    #expect(try plan { $0.cpus = 64 }.machine?.cpus == 64)
  }

  private func plan(
    processors: Int? = nil, contentSizes: [String: ContentSizes] = [:],
    _ change: (inout ImageSpec) -> Void = { _ in }
  ) throws -> BuildPlan {
    let system = "/nix/store/00000000000000000000000000000000-nixos-system-tiny"
    var spec = ImageSpec()
    spec.system = system
    change(&spec)
    return try plan(ResolvedSpec(spec), processors: processors, contentSizes: contentSizes)
  }

  private func plan(
    _ spec: ResolvedSpec, processors: Int? = nil, contentSizes: [String: ContentSizes] = [:]
  ) throws -> BuildPlan {
    try Planner(
      spec: spec,
      closure: ClosureFacts(
        systems: spec.systems, tree: tree,
        etcDirectories: 3, etcLinks: 20, bootFiles: .mebibytes(60),
        contentSizes: contentSizes),
      machine: MachineFacts(
        firmware: FirmwarePair(
          code: "/firmware/CODE.fd", variablesTemplate: "/firmware/VARS.fd", requiresSMM: false,
          secureBoot: false),
        accelerator: .tcg, processors: processors)
    ).plan()
  }
}

private let tree = TreeNeed(blocks: 15_000, inodes: 1_500)

/// A change that makes a good spec a bad one, and the key that the refusal names.
private struct BadSpec: Sendable {
  let key: String
  let change: @Sendable (inout ImageSpec) -> Void

  init(_ key: String, _ change: @escaping @Sendable (inout ImageSpec) -> Void) {
    self.key = key
    self.change = change
  }
}

private let keys = SecureBootSpec(pk: "/pk", kek: ["/kek"], db: ["/db"])

private let badSpecs: [BadSpec] = [
  BadSpec("format") { $0.format = [] },
  BadSpec("format") { $0.format = [.qcow2, .compressedQcow2] },
  BadSpec("format") { $0.format = [.raw, .raw] },
  BadSpec("format") { $0.format = [.vpc, .fixedVPC] },
  BadSpec("format") { $0.format = [.streamVMDK, .vmdk] },
  BadSpec("format") {
    $0.format = [.fixedVPC]
    $0.diskSize = .fixed(ByteSize(bytes: 2041 << 30))
  },
  BadSpec("diskSize") {
    $0.format = [.raw, .fixedVPC]
    $0.diskSize = .fixed(ByteSize(bytes: 4 << 30 + 512))
  },
  BadSpec("diskSize") {
    $0.format = [.raw, .archivedRaw]
    $0.diskSize = .fixed(.mebibytes(4097))
  },
  BadSpec("format") {
    $0.format = [.raw, .vpc]
    $0.diskSize = .fixed(ByteSize(bytes: 2041 << 30))
  },
  BadSpec("format") {
    $0.format = [.vmdk]
    $0.additionalSpace = ByteSize(bytes: 2 << 40)
  },
  BadSpec("format") {
    $0.format = [.vhdx]
    $0.fsType = .xfs
    $0.diskSize = .fixed(ByteSize(bytes: 65 << 40))
  },
  BadSpec("diskSize") { $0.diskSize = .fixed(ByteSize(bytes: 17 << 40)) },
  BadSpec("extraFiles") { $0.extraFiles = [ContentEntry(source: "/a", target: "a")] },
  BadSpec("contents") {
    $0.extraFiles = [ContentEntry(source: "/a", target: "/a")]
    $0.contents = [ContentEntry(source: "/a", target: "/a")]
  },
  BadSpec("extraFiles") {
    $0.onlyNixStore = true
    $0.extraFiles = [ContentEntry(source: "/a", target: "/a")]
  },
  BadSpec("preVM") {
    $0.onlyNixStore = true
    $0.preVM = "true"
  },
  BadSpec("postInstall") {
    $0.onlyNixStore = true
    $0.postInstall = "true"
  },
  BadSpec("postInstall") { $0.postInstall = String(repeating: "#", count: 300 << 10) },
  BadSpec("stripFirmwareVariables") {
    $0.efiVarsForm = .raw
    $0.stripFirmwareVariables = true
  },
  BadSpec("efiVarsForm") {
    $0.partitionTableType = .legacy
    $0.efiVarsForm = .canonical
  },
  BadSpec("stripFirmwareVariables") {
    $0.onlyNixStore = true
    $0.stripFirmwareVariables = true
  },
  BadSpec("OVMF") {
    $0.ovmf = "/o"
    $0.efiVariables = "/v"
  },
  BadSpec("efiFirmwareNeedsSMM") { $0.efiFirmwareNeedsSMM = true },
  BadSpec("efiFirmwareNeedsSMM") {
    $0.ovmf = "/o"
    $0.efiFirmwareNeedsSMM = false
    $0.secureBoot = keys
  },
  BadSpec("secureBoot") { $0.secureBoot = SecureBootSpec(kek: ["/kek"], db: ["/db"]) },
  BadSpec("secureBoot") { $0.secureBoot = SecureBootSpec(pk: "/pk", db: ["/db"]) },
  BadSpec("secureBoot") { $0.secureBoot = SecureBootSpec(pk: "/pk", kek: ["/kek"], db: []) },
  BadSpec("secureBoot") {
    $0.secureBoot = keys
    $0.secureBoot?.sign = SigningSpec(cert: "/c")
  },
  BadSpec("secureBoot") {
    $0.secureBoot = keys
    $0.partitionTableType = .legacy
  },
  BadSpec("secureBoot") {
    $0.secureBoot = keys
    $0.partitionTableType = .legacyGPT
    $0.touchEFIVars = true
  },
  BadSpec("secureBoot") {
    $0.secureBoot = keys
    $0.onlyNixStore = true
  },
  BadSpec("secureBoot") {
    $0.secureBoot = keys
    $0.secureBoot?.sign = SigningSpec(key: "/k", cert: "/c")
    $0.installBootLoader = false
  },
  BadSpec("diskSize") { $0.diskSize = .fixed(.mebibytes(300)) },
  BadSpec("bootSize") { $0.bootSize = .mebibytes(40) },
  BadSpec("bootSize") { $0.bootSize = ByteSize(bytes: (256 << 20) + 1) },
  BadSpec("bootSize") { $0.bootSize = .mebibytes(60) },
  BadSpec("additionalSpace") {
    $0.diskSize = .fixed(.mebibytes(4096))
    $0.additionalSpace = .mebibytes(1)
  },
  BadSpec("additionalSpace") { $0.additionalSpace = ByteSize(bytes: .max) },
  BadSpec("label") { $0.label = "seventeen-letters" },
  BadSpec("label") { $0.label = "é".padding(toLength: 9, withPad: "é", startingAt: 0) },
  BadSpec("label") { $0.label = "two words" },
  BadSpec("fsType") { $0.fsType = .vfat },
  BadSpec("fsType") { $0.fsType = .squashfs },
  BadSpec("fsType") {
    $0.onlyNixStore = true
    $0.fsType = .btrfs
  },
  BadSpec("installBootLoader") {
    $0.onlyNixStore = true
    $0.installBootLoader = true
  },
  BadSpec("touchEFIVars") {
    $0.onlyNixStore = true
    $0.touchEFIVars = true
  },
  BadSpec("label") {
    $0.onlyNixStore = true
    $0.fsType = .squashfs
    $0.label = "store"
  },
  BadSpec("additionalSpace") {
    $0.onlyNixStore = true
    $0.fsType = .erofs
    $0.additionalSpace = .mebibytes(1)
  },
  BadSpec("contents") { $0.contents = [ContentEntry(source: "/a", target: "etc/a")] },
  BadSpec("contents") { $0.contents = [ContentEntry(source: "/a", target: "/etc/../../a")] },
  BadSpec("contents") { $0.contents = [ContentEntry(source: "/a", target: "/nix/store/a")] },
  BadSpec("contents") { $0.contents = [ContentEntry(source: "/a", target: "/nix")] },
  BadSpec("contents") { $0.contents = [ContentEntry(source: "/a", target: "/nix//var/nix/db/x")] },
  BadSpec("contents") { $0.contents = [ContentEntry(source: "a", target: "/a")] },
  BadSpec("contents") { $0.contents = [ContentEntry(source: "/a", target: "/run/a")] },
  BadSpec("contents") { $0.contents = [ContentEntry(source: "/a", target: "/proc//a")] },
  BadSpec("contents") {
    $0.contents = [ContentEntry(source: "/a", target: "/a", user: "4294967295", group: "0")]
  },
  BadSpec("contents") {
    $0.contents = [ContentEntry(source: "/a", target: "/a", user: "root", group: "99999999999")]
  },
  BadSpec("contents") { $0.contents = [ContentEntry(source: "/a", target: "/a", user: "alice")] },
  BadSpec("contents") { $0.contents = [ContentEntry(source: "/a", target: "/a", group: "users")] },
  BadSpec("contents") { $0.contents = [ContentEntry(source: "/a", target: "/a", user: "a b", group: "c")] },
  BadSpec("contents") { $0.contents = [ContentEntry(source: "/a", target: "/a", user: "", group: "c")] },
  BadSpec("contents") {
    $0.contents = [ContentEntry(source: "/a", target: "/x/y"), ContentEntry(source: "/b", target: "/x//y")]
  },
  BadSpec("contents") {
    $0.configFile = "/c"
    $0.contents = [ContentEntry(source: "/a", target: "/etc/nixos/configuration.nix")]
  },
  BadSpec("contents") {
    $0.onlyNixStore = true
    $0.contents = [ContentEntry(source: "/a", target: "/a")]
  },
  BadSpec("configFile") {
    $0.onlyNixStore = true
    $0.configFile = "/c"
  },
  BadSpec("configFile") { $0.configFile = "c" },
  BadSpec("grubDevice") { $0.grubDevice = ["/dev/sda", "sda"] },
  BadSpec("grubDevice") { $0.grubDevice = ["/dev/../etc/passwd"] },
  BadSpec("grubDevice") { $0.grubDevice = ["/dev/"] },
  BadSpec("espMountPoint") { $0.espMountPoint = "efi" },
  BadSpec("espMountPoint") { $0.espMountPoint = "/" },
  BadSpec("espMountPoint") { $0.espMountPoint = "/boot/../nix" },
  BadSpec("espMountPoint") { $0.espMountPoint = "/nix/esp" },
  BadSpec("espMountPoint") {
    $0.partitionTableType = .legacyBoot
    $0.espMountPoint = "/boot"
  },
  BadSpec("espMountPoint") {
    $0.partitionTableType = .efixbootldr
    $0.espMountPoint = "/boot/"
  },
  BadSpec("espMountPoint") {
    $0.onlyNixStore = true
    $0.partitionTableType = .efi
    $0.espMountPoint = "/efi"
  },
  BadSpec("partitions") {
    $0.espMountPoint = "/srv/esp"
    $0.partitions = [PartitionEntry(name: "a", size: .mebibytes(64), fsType: .ext4, mountPoint: "/srv/esp")]
  },
  BadSpec("memSize") { $0.memSize = 128 },
  BadSpec("cpus") { $0.cpus = 0 },
  BadSpec("baseName") { $0.baseName = "../x" },
  BadSpec("efiVariables") { $0.efiFirmware = "/f" },
  BadSpec("efiFirmware") { $0.efiVariables = "/v" },
  BadSpec("touchEFIVars") {
    $0.partitionTableType = .legacy
    $0.touchEFIVars = true
  },
  BadSpec("touchEFIVars") {
    $0.partitionTableType = PartitionTable.none
    $0.touchEFIVars = true
  },
  BadSpec("bootSize") {
    $0.partitionTableType = .efixbootldr
    $0.bootSize = .mebibytes(128)
  },
  BadSpec("touchEFIVars") {
    $0.installBootLoader = false
    $0.touchEFIVars = true
  },
]

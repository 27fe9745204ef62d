import AgentProtocol
import BuildPlan
import Ext4Geometry
import ImageModel
import TestSupport
import Testing

/// Filesystems of every kind, swap, further partitions and other sectors than the usual ones.
@Suite struct FurtherPartitionTests {
  @Test func thePlanIsTheGoldenOne() throws {
    let plan = try plan {
      $0.fsType = .f2fs
      $0.mkfsOptions = ["-O", "extra_attr"]
      $0.swapSize = .mebibytes(256)
      $0.partitions = [data]
      $0.sectorSize = 4096
    }
    try expectSnapshot(plan.json(), named: "plan-efi-f2fs-swap-data-4096.json")
  }

  @Test(arguments: PartitionTable.allCases.filter { $0 != .none })
  func theRootKeepsItsNumberAndIsLastOnTheDisk(table: PartitionTable) throws {
    let usual = try plan { $0.partitionTableType = table }.target
    let disk = try plan {
      $0.partitionTableType = table
      $0.swapSize = .mebibytes(64)
      $0.partitions = [data]
    }.target
    let root = try #require(disk.root)
    #expect(root.number == usual.root?.number)
    #expect(disk.partitions.map(\.number) == Array(1...disk.partitions.count))
    #expect(disk.partitions.suffix(2).map(\.name) == ["swap", "data"])
    #expect(disk.partitions.map(\.start).max() == root.start)
    #expect(disk.partitions.dropLast(2).dropLast() == usual.partitions.dropLast())
    #expect(root.sectors == usual.root?.sectors)
    let sorted = disk.partitions.sorted { $0.start < $1.start }
    for (before, after) in zip(sorted, sorted.dropFirst()) {
      #expect(before.start + before.sectors <= after.start)
    }
    let swap = try #require(disk.partitions.first { $0.name == "swap" })
    #expect(swap.type == (disk.table == .mbr ? .swapCode : .swap))
    #expect(swap.filesystem?.label == "swap" && swap.filesystem?.mountPoint == nil)
    #expect(Set(disk.partitions.compactMap(\.guid)).count == (disk.table == .mbr ? 0 : disk.partitions.count))
  }

  @Test func swapIsMadeAndNotMountedAndDataIsBoth() throws {
    let plan = try plan {
      $0.swapSize = .mebibytes(64)
      $0.partitions = [data]
    }
    #expect(
      plan.steps.map(\.step.name).prefix(8) == [
        "partitionDisk", "makeFilesystem", "makeFilesystem", "makeFilesystem", "mountFilesystem",
        "mountFilesystem", "mountFilesystem", "setSystemProfile",
      ])
    #expect(plan.poursIntoTarget)
  }

  @Test func whatWouldBeHiddenInThePouredRootIsCopied() throws {
    func isPoured(_ target: String) throws -> Bool {
      try plan {
        $0.partitions = [data]
        $0.contents = [ContentEntry(source: "/a", target: target)]
      }.poursIntoTarget
    }
    #expect(try isPoured("/etc/a"))
    #expect(try !isPoured("/srv/a"))
    #expect(try !isPoured("/srv"))
    #expect(try isPoured("/srvs"))
  }

  @Test func optionsOfTheToolGoToTheRootAlone() throws {
    let plan = try plan {
      $0.mkfsOptions = ["-O", "^has_journal"]
      $0.partitions = [data]
    }
    let withOptions = plan.steps.compactMap {
      if case .makeFilesystem(_, let made, let options) = $0.step, !options.isEmpty { made } else { nil }
    }
    #expect(withOptions.map(\.mountPoint) == ["/"])
    #expect(!plan.poursIntoTarget)
  }

  @Test(arguments: [FilesystemKind.ext2, .ext3, .xfs, .btrfs, .f2fs])
  func aCopiedRootGrowsWithWhatIsAskedFor(kind: FilesystemKind) throws {
    var before: UInt64 = 0
    for space in [0, 64, 512, 4096, 1 << 20] as [UInt64] {
      let root = try #require(
        try plan {
          $0.fsType = kind
          $0.additionalSpace = .mebibytes(space)
        }.target.root)
      let size = root.sectors * 512
      #expect(size >= (space << 20) + 15_000 * 4096 && size >= kind.least.bytes && size >= before)
      #expect(size < (space << 20) * 105 / 100 + (700 << 20))
      #expect((root.filesystem?.inodes != nil) == kind.hasInodeTable)
      before = size
    }
  }

  @Test func aKindThatIsNotKnownHasNoLabelAndNoUUID() throws {
    let root = try #require(try plan { $0.fsType = jfs }.target.root?.filesystem)
    #expect(root.kind.rawValue == "jfs" && root.label.isEmpty && root.uuid == nil)
  }

  @Test(arguments: [PartitionTable.efi, .efixbootldr, .hybrid])
  func largeSectorsLeaveEverythingInItsPlace(table: PartitionTable) throws {
    func bytes(_ sector: UInt64?) throws -> [ClosedRange<UInt64>] {
      let disk = try plan {
        $0.partitionTableType = table
        $0.sectorSize = sector
        $0.bootSize = .mebibytes(1024)
      }.target
      #expect(disk.partitions.allSatisfy { $0.start >= 2 + 16384 / disk.sectorSize })
      return disk.partitions.map {
        $0.start * disk.sectorSize...($0.start + $0.sectors) * disk.sectorSize
      }
    }
    let usual = try bytes(nil)
    let large = try bytes(4096)
    #expect(usual.count == large.count && usual.last == large.last)
    // An ESP of fewer sectors than FAT32 has clusters would be no FAT32.
    #expect(large[0].lowerBound == 8 << 20 && large[0].upperBound - large[0].lowerBound >= 260 << 20)
  }

  @Test(arguments: badDisks)
  fileprivate func aDiskThatCannotBeMadeIsRefused(bad: BadDisk) throws {
    let error = try #require(throws: SpecError.self) { try plan(bad.change) }
    #expect(error.key == bad.key)
    #expect(!error.remedy.isEmpty)
  }

  @Test(
    "words for mkfs that say what the plan says are refused by name",
    arguments: [
      (.ext4, ["-E", "stride=2,hash_seed=x"], "rootFSUID"), (.ext4, ["-Ehash_seed=x"], "rootFSUID"),
      (.ext3, ["-qU", "random"], "rootFSUID"), (.ext4, ["-L", "x"], "label"),
      (.ext2, ["-n"], "no filesystem"),
      (.ext4, ["-t", "ext2"], "fsType"), (.ext4, ["/dev/vdb"], "not an option"),
      (.ext4, ["-q", "--"], "not an option"),
      (.ext4, ["-O"], "needs a value"), (.xfs, ["-m", "crc=1,uuid=x"], "rootFSUID"),
      (.xfs, ["-N"], "no filesystem"),
      (.xfs, ["-Lx"], "label"), (.btrfs, ["--uuid=x"], "rootFSUID"), (.btrfs, ["--label", "x"], "label"),
      (.btrfs, ["-U", "x"], "rootFSUID"), (.f2fs, ["-l", "x"], "label"), (.f2fs, ["-Ux"], "rootFSUID"),
    ] as [(FilesystemKind, [String], String)])
  func refusedWords(kind: FilesystemKind, words: [String], says: String) {
    let error = #expect(throws: SpecError.self) {
      try plan {
        $0.fsType = kind
        $0.mkfsOptions = words
      }
    }
    #expect(error?.key == "mkfsOptions")
    #expect(error.map { "\($0)".contains(says) } == true, "\(error as Any)")
  }

  @Test(
    "other words are the tool's",
    arguments: [
      (.ext4, ["-E", "stride=2", "-O", "^has_journal", "-I128", "-T", "news", "-m", "0"]),
      (.xfs, ["-m", "reflink=0", "-d", "agcount=2"]), (.btrfs, ["-d", "dup", "--csum", "xxhash", "-M"]),
      (.f2fs, ["-O", "extra_attr", "-i"]),
      (FilesystemKind(rawValue: "jfs") ?? .ext4, ["-q", "-L", "x", "anything"]),
    ] as [(FilesystemKind, [String])])
  func takenWords(kind: FilesystemKind, words: [String]) throws {
    let plan = try plan {
      $0.fsType = kind
      $0.mkfsOptions = words
    }
    let made = plan.steps.compactMap {
      if case .makeFilesystem(_, _, let options) = $0.step { options } else { nil }
    }
    #expect(made.contains(words))
  }

  private func plan(_ change: (inout ImageSpec) -> Void = { _ in }) throws -> BuildPlan {
    let system = "/nix/store/00000000000000000000000000000000-nixos-system-tiny"
    var spec = ImageSpec()
    spec.system = system
    change(&spec)
    return try Planner(
      spec: ResolvedSpec(spec),
      closure: ClosureFacts(
        systems: [system],
        tree: TreeNeed(blocks: 15_000, inodes: 1_500), etcDirectories: 3, etcLinks: 20,
        bootFiles: .mebibytes(60)),
      machine: MachineFacts(
        firmware: FirmwarePair(
          code: "/firmware/CODE.fd", variablesTemplate: "/firmware/VARS.fd", requiresSMM: false,
          secureBoot: false),
        accelerator: .tcg)
    ).plan()
  }
}

private let data = PartitionEntry(
  name: "data", size: .mebibytes(128), fsType: .ext4, label: "data", mountPoint: "/srv")
private let jfs = FilesystemKind(rawValue: "jfs") ?? .ext4

/// A change that makes a good spec a bad one, and the key that the refusal names.
private struct BadDisk: Sendable {
  let key: String
  let change: @Sendable (inout ImageSpec) -> Void

  init(_ key: String, _ change: @escaping @Sendable (inout ImageSpec) -> Void) {
    self.key = key
    self.change = change
  }

  /// With one partition that differs from a good one.
  init(partition change: @escaping @Sendable (inout PartitionEntry) -> Void) {
    self.init("partitions") {
      var entry = data
      change(&entry)
      $0.partitions = [entry]
    }
  }
}

private let badDisks: [BadDisk] = [
  BadDisk(partition: { $0.name = "" }),
  BadDisk(partition: { $0.name = String(repeating: "x", count: 37) }),
  BadDisk(partition: { $0.name = String(repeating: "\u{1f600}", count: 19) }),
  BadDisk(partition: { $0.name = "a\nb" }),
  BadDisk(partition: { $0.name = "ESP" }),
  BadDisk(partition: { $0.name = "root" }),
  BadDisk(partition: { $0.name = "swap" }),
  BadDisk(partition: { $0.size = ByteSize(bytes: 0) }),
  BadDisk(partition: { $0.size = ByteSize(bytes: (64 << 20) + 512) }),
  BadDisk(partition: { $0.size = ByteSize(bytes: 1 << 51) }),
  BadDisk(partition: { $0.fsType = .xfs }),
  BadDisk(partition: { $0.fsType = .swap }),
  BadDisk(partition: { $0.fsType = .squashfs }),
  BadDisk(partition: { $0.fsType = jfs }),
  BadDisk(partition: { $0.label = "seventeen-letters" }),
  BadDisk(partition: { $0.label = "a/b" }),
  BadDisk(partition: { $0.type = .code(0x83) }),
  BadDisk(partition: { $0.mountPoint = "/" }),
  BadDisk(partition: { $0.mountPoint = "srv" }),
  BadDisk(partition: { $0.mountPoint = "/srv/../boot" }),
  BadDisk(partition: { $0.mountPoint = "/boot" }),
  BadDisk(partition: { $0.mountPoint = "//efi" }),
  BadDisk(partition: { $0.mountPoint = "/nix/store" }),
  BadDisk(partition: { $0.mountPoint = "/run/x" }),
  BadDisk("partitions") {
    var other = data
    other.mountPoint = nil
    $0.partitions = [data, other]
  },
  BadDisk("partitions") {
    var other = data
    (other.name, other.mountPoint) = ("other", "/srv/")
    $0.partitions = [data, other]
  },
  BadDisk("partitions") {
    $0.partitionTableType = .legacy
    $0.swapSize = .mebibytes(64)
    $0.partitions = ["a", "b", "c"].map { PartitionEntry(name: $0, size: .mebibytes(64), fsType: .ext4) }
  },
  BadDisk("partitions") {
    $0.partitionTableType = .legacy
    $0.partitions = [PartitionEntry(name: "a", size: .mebibytes(64), fsType: .ext4, type: .linux)]
  },
  BadDisk("partitions") {
    $0.partitionTableType = PartitionTable.none
    $0.partitions = [data]
  },
  BadDisk("partitions") {
    $0.onlyNixStore = true
    $0.partitions = [data]
  },
  BadDisk("swapSize") {
    $0.partitionTableType = PartitionTable.none
    $0.swapSize = .mebibytes(64)
  },
  BadDisk("swapSize") {
    $0.onlyNixStore = true
    $0.swapSize = .mebibytes(64)
  },
  BadDisk("swapSize") { $0.swapSize = ByteSize(bytes: 0) },
  BadDisk("swapSize") { $0.swapSize = ByteSize(bytes: 4096) },
  BadDisk("diskSize") {
    $0.swapSize = .mebibytes(2048)
    $0.diskSize = .fixed(.mebibytes(1024))
  },
  BadDisk("diskSize") {
    $0.fsType = .f2fs
    $0.diskSize = .fixed(.mebibytes(320))
  },
  BadDisk("sectorSize") { $0.sectorSize = 1024 },
  BadDisk("sectorSize") {
    $0.sectorSize = 4096
    $0.partitionTableType = .legacy
  },
  BadDisk("sectorSize") {
    $0.sectorSize = 4096
    $0.onlyNixStore = true
  },
  BadDisk("bootSize") {
    $0.sectorSize = 4096
    $0.bootSize = .mebibytes(256)
  },
  BadDisk("mkfsOptions") {
    $0.onlyNixStore = true
    $0.mkfsOptions = ["-q"]
  },
  BadDisk("fsType") { $0.fsType = .swap },
  BadDisk("label") {
    $0.fsType = jfs
    $0.label = "nixos"
  },
  BadDisk("rootFSUID") {
    $0.fsType = jfs
    $0.rootFSUID = GUID(high: 1, low: 2)
  },
]

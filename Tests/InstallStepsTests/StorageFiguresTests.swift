internal import AgentProtocol
internal import Command
internal import ImageModel
internal import SystemPackage
internal import TestSupport
internal import Testing

@testable internal import InstallSteps

private func place(_ path: String, free: UInt64, type: String = "vfat", inodes: UInt64? = nil)
  -> StorageFigures.Place
{
  StorageFigures.Place(
    path: path, type: type, free: .mebibytes(free), size: .mebibytes(1000), freeInodes: inodes)
}

@Suite("what is full is told apart")
struct StorageFiguresTests {
  static let line = "cp: write error: No space left on device"

  /// Figures with one thing full: what the message must say, and the key of the remedy.
  static let cases: [(StorageFigures, String, String)] = [
    (figures(root: 0), "the root filesystem is full: 0 B of 1000.0 MiB are free", "diskSize"),
    (figures(boot: 0), "the boot partition on /boot is full: 0 B of 1000.0 MiB are free", "bootSize"),
    (figures(efi: 0), "the EFI system partition on /efi is full", "\"efi\""),
    (figures(data: 0), "the partition on /srv/data is full", "partitions"),
    (figures(memory: 0), "/tmp (in the guest's memory) is full", "memSize"),
    (figures(inodes: 0), "no inode is left", "diskSize"),
    (
      figures(variables: true), "the EFI variable store is full: 31 variables take 120.0 KiB",
      "EFI variables"
    ),
  ]

  static func figures(
    root: UInt64 = 500, boot: UInt64 = 500, efi: UInt64 = 500, data: UInt64 = 500, memory: UInt64 = 500,
    inodes: UInt64 = 9, variables: Bool = false
  ) -> StorageFigures {
    StorageFigures(
      places: [
        place("/", free: root, type: "ext4", inodes: inodes), place("/boot", free: boot),
        place("/efi", free: efi), place("/srv/data", free: data, type: "xfs"),
        place("/tmp", free: memory, type: "tmpfs"),
      ],
      variables: StorageFigures.Variables(count: 31, used: ByteSize(bytes: 120 << 10), isFull: variables))
  }

  @Test("the one thing that is full is blamed, with its figures and its own remedy", arguments: cases)
  func oneIsFull(figures: StorageFigures, cause: String, remedy: String) {
    let verdict = figures.verdict(on: [Self.line])
    #expect(verdict.cause.contains(cause), "\(verdict)")
    #expect(verdict.remedy?.contains(remedy) == true, "\(verdict)")
    for (_, other, _) in Self.cases where other != cause { #expect(!verdict.cause.contains(other)) }
  }

  @Test("what ext4 keeps back even from root does not count as free")
  func keptBack() {
    let size = ByteSize(bytes: 606_500_000)
    let root = StorageFigures.Place(
      path: "/", type: "ext4", free: .mebibytes(12), size: size, freeInodes: 9)
    let figures = StorageFigures(places: [root, place("/boot", free: 500)], variables: nil)
    #expect(figures.verdict(on: [Self.line]).cause.contains("the root filesystem is full: 12.0 MiB of"))
  }

  @Test("what was to be written is said of the filesystem that it goes to, and of no other")
  func need() {
    let kernels = StorageNeed(path: "/boot", size: .mebibytes(60), what: "the kernels and initrds need")
    let full = Self.figures(boot: 0).verdict(on: [Self.line], need: kernels).cause
    #expect(
      full
        == "the boot partition on /boot is full: 0 B of 1000.0 MiB are free, and the kernels and initrds need 60.0 MiB"
    )
    #expect(!Self.figures(data: 0).verdict(on: [Self.line], need: kernels).cause.contains("need"))
    let gone = Self.figures(boot: 40)
      .verdict(on: ["cp: error writing '/boot/kernel': No space left on device"], need: kernels).cause
    #expect(gone.contains("40.0 MiB of 1000.0 MiB are free, and the kernels and initrds need 60.0 MiB"))
    // Without a boot partition they are on the root.
    let root = StorageFigures(places: [place("/", free: 0, type: "ext4")], variables: nil)
    #expect(
      root.verdict(on: [Self.line], need: kernels).cause.hasSuffix("the kernels and initrds need 60.0 MiB"))
  }

  @Test func twoThatAreFullAreBothNamed() {
    let verdict = Self.figures(root: 0, variables: true).verdict(on: [Self.line])
    #expect(verdict.cause.contains("root filesystem") && verdict.cause.contains("variable store"))
  }

  @Test func nothingIsBlamedWhenNothingIsFull() {
    let verdict = Self.figures().verdict(on: [Self.line])
    #expect(verdict.remedy == nil)
    #expect(verdict.cause.contains("/boot: 500.0 MiB of 1000.0 MiB are free"))
  }

  @Test(
    "what did not fit and is gone again is known by its path",
    arguments: [
      "OSError: [Errno 28] No space left on device: '/boot/EFI/nixos/x-initrd.efi'",
      "cp: error writing '/boot/kernel': No space left on device",
    ])
  func namedByItsPath(line: String) {
    let verdict = Self.figures(boot: 40).verdict(on: ["Traceback", line])
    #expect(
      verdict.cause.contains("too large for the boot partition on /boot: 40.0 MiB of 1000.0 MiB are free"))
    #expect(verdict.remedy?.contains("bootSize") == true)
  }

  @Test("every step's failure for want of space is explained, and no other")
  func explained() async throws {
    let step = InstallStep.makeFilesystem(
      on: .disk(serial: "target"),
      filesystem: Filesystem(kind: .swap, label: "", uuid: nil, mountPoint: nil), options: [])
    try await withScratchDirectory { folder in
      try folder.appending("block/vda/serial").write("target")
      try folder.appending("block/vda/size").write("2048")
      try folder.appending("block/vda/queue/logical_block_size").write("512\n")
      let devices = DeviceTree(sys: folder.string, dev: folder.appending("dev").string)
      for (line, isExplained) in [(Self.line, true), ("bad superblock", false)] {
        let runner = RecordingRunner(failing: ["\(folder)/dev/vda": [line]])
        let context = EventLog().context(runner, root: folder, devices: devices) { _ in
          Self.figures(data: 0)
        }
        let failure = await #expect(throws: StepFailure.self) { try await step.run(in: context) }
        #expect(failure?.message.contains("/srv/data is full") == isExplained, "\(failure as Any)")
        #expect((failure?.remedy != nil) == isExplained)
      }
    }
  }

  @Test("a look at this machine finds its root and is not full of wrong numbers")
  func look() {
    let figures = StorageFigures.look(root: "/")
    #expect(figures.places.allSatisfy { $0.free <= $0.size })
  }
}

@Suite("what went wrong while the guest started")
struct BootFaultTests {
  @Test func isKeptAndIsInEveryFailure() async throws {
    try await withScratchDirectory { folder in
      let file = folder.appending("faults").string
      #expect(BootFaults.all(in: file) == [])
      #expect(StepFailure(message: "m").after([]) == StepFailure(message: "m"))
      BootFaults.note("cannot load the kernel module /a.ko: Exec format error", in: file)
      BootFaults.note("cannot load the kernel module /b.ko: Exec format error", in: file)
      let failure = StepFailure(message: "no disk has the serial number").after(BootFaults.all(in: file))
      #expect(
        failure.message
          == "no disk has the serial number; when the guest started: cannot load the kernel module /a.ko: "
          + "Exec format error (and 1 more)")
    }
  }
}

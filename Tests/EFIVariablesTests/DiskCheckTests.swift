import Basics
import EFIVariables
import ImageModel
import Testing

@Suite("Boot entries and disks")
struct DiskCheckTests {
  private static let guid = GUID(high: 1, low: 2)
  private static let disk = BootDisk(partitions: [
    .init(
      number: 1, start: 2048, size: 4096, signature: .gpt(guid), isSystem: true,
      files: [#"\EFI\systemd\systemd-bootx64.efi"#]),
    .init(number: 2, start: 8192, size: 100, signature: .gpt(GUID(high: 3, low: 4)), isSystem: false),
  ])

  private func option(
    _ guid: GUID = guid, start: UInt64 = 2048, size: UInt64 = 4096,
    file: String? = #"\EFI\SYSTEMD\SYSTEMD-BOOTX64.EFI"#, attributes: LoadOption.Attributes = .active
  ) -> LoadOption {
    let drive = DevicePathNode.HardDrive(partition: 1, start: start, size: size, signature: .gpt(guid))
    let nodes = [DevicePathNode.hardDrive(drive)] + (file.map { [.file($0)] } ?? [])
    return LoadOption("Linux", [DevicePath(nodes)], attributes: attributes)
  }

  private func store(_ options: [LoadOption], order: [UInt16]) throws -> VariableStore {
    var store = try VariableStore(reading: SyntheticStore().bytes)
    for (number, option) in zip(UInt16(0)..., options) {
      try store.set(Variable(.boot(number), .standard, option.data))
    }
    if !order.isEmpty { try store.set(Variable(.bootOrder, .standard, VariableValue.order(order).data)) }
    return store
  }

  @Test("An entry fits by partition and file, and FAT's names have no case")
  func fits() throws {
    let check = DiskCheck(of: try store([option(), option(attributes: [])], order: [1, 0]), on: Self.disk)
    #expect(check.problems.isEmpty)
    #expect(check.good == [0, 1])
    #expect(check.started == [0])
  }

  @Test("A path in pieces, and one behind a controller, fit too")
  func pieces() throws {
    let drive = DevicePathNode.HardDrive(partition: 1, start: 2048, size: 4096, signature: .gpt(Self.guid))
    let path = DevicePath([
      .pciRoot(0), .pci(device: 1, function: 0), .hardDrive(drive), .file(#"\EFI"#),
      .file(#"systemd\systemd-bootx64.efi"#),
    ])
    #expect(DiskCheck(of: try store([LoadOption("", [path])], order: [0]), on: Self.disk).started == [0])
  }

  @Test("Whatever does not fit is named")
  func doesNotFit() throws {
    let zero = try #require(GUID("00000000-0000-0000-0000-000000000000"))
    let second = GUID(high: 3, low: 4)
    let cases: [(LoadOption, String)] = [
      (option(zero, start: 0, size: 0), "HD(1,GPT,00000000-0000-0000-0000-000000000000,0x0,0x0)"),
      (option(start: 2049), "4096 sectors from 2048"),
      (option(size: 1), "4096 sectors from 2048"),
      (option(file: #"\EFI\NONE.EFI"#), #"\EFI\NONE.EFI"#),
      (option(file: nil), Architecture.current.fallbackLoader),
      (option(second, start: 8192, size: 100), "no FAT"),
    ]
    for (option, words) in cases {
      let check = DiskCheck(of: try store([option], order: [0]), on: Self.disk)
      #expect(check.problems.count == 1)
      #expect(check.problems.first?.hasPrefix("Boot0000 (Linux) ") == true)
      #expect(check.problems.first?.contains(words) == true, "\(check.problems)")
      #expect(check.started.isEmpty)
    }
  }

  @Test("BootOrder and BootNext name what is there")
  func references() throws {
    var store = try store([option()], order: [0, 0x2a])
    try store.set(Variable(.bootNext, .standard, [7, 0]))
    try store.set(Variable(.boot(3), .standard, [1]))
    let problems = DiskCheck(of: store, on: Self.disk).problems
    #expect(problems.count == 3)
    #expect(problems.contains("BootOrder lists 002A, and there is no such entry"))
    #expect(problems.contains("BootNext is 0007, and there is no such entry"))
    #expect(problems.contains { $0.hasPrefix("Boot0003 is malformed") })
  }

  @Test("All partitions of an MBR have one signature")
  func mbr() throws {
    func partition(_ number: UInt32) -> BootDisk.Partition {
      .init(
        number: number, start: UInt64(number), size: 10, signature: .mbr(5), isSystem: true,
        files: number == 2 ? [#"\A.EFI"#] : [])
    }
    let drive = DevicePathNode.HardDrive(partition: 2, start: 2, size: 10, signature: .mbr(5))
    let option = LoadOption("", [DevicePath([.hardDrive(drive), .file(#"\A.EFI"#)])])
    let disk = BootDisk(partitions: [partition(1), partition(2)])
    #expect(DiskCheck(of: try store([option], order: [0]), on: disk).problems.isEmpty)
  }

  @Test("On a disk of large sectors bootctl counts in 512 bytes")
  func largeSectors() throws {
    let guid = GUID(high: 7, low: 7)
    let disk = BootDisk(
      partitions: [
        .init(
          number: 1, start: 2048, size: 100, signature: .gpt(guid), isSystem: true, files: [#"\A.EFI"#])
      ], sectorSize: 4096)
    func problems(start: UInt64, size: UInt64) throws -> [String] {
      let drive = DevicePathNode.HardDrive(partition: 1, start: start, size: size, signature: .gpt(guid))
      let option = LoadOption("", [DevicePath([.hardDrive(drive), .file(#"\A.EFI"#)])])
      return DiskCheck(of: try store([option], order: [0]), on: disk).problems
    }
    #expect(try problems(start: 2048, size: 100) == [])
    #expect(try problems(start: 16384, size: 800) == [])
    #expect(try problems(start: 16384, size: 100) != [])
    #expect(try problems(start: 2048, size: 800) != [])
  }

  @Test("The fallback loader counts on an EFI system partition only")
  func fallback() {
    var disk = Self.disk
    #expect(!disk.hasFallbackLoader)
    disk.partitions[1].files = [#"\EFI\BOOT\BOOTX64.EFI"#]
    #expect(!disk.hasFallbackLoader)
    disk.partitions[0].files = [#"\efi\boot\bootx64.efi"#]
    #expect(disk.hasFallbackLoader)
  }

  @Test("The next boot's entry is given by number or description")
  func bootNext() throws {
    var store = try store(
      [option(), LoadOption("Other", []), LoadOption("Twice", []), LoadOption("Twice", [])], order: [0])
    #expect(try store.bootNext("Other") == 1)
    #expect(store[.bootNext]?.data == [1, 0])
    #expect(try store.bootNext("0000") == 0)
    #expect(try store.bootNext("Boot0003") == 3)
    for entry in ["Twice", "0009", "Unknown", ""] {
      #expect(throws: Fault.self) { try store.bootNext(entry) }
    }
  }

  @Test("Without the firmware's variables the system's remain")
  func strip() throws {
    let firmwares = LoadOption("UEFI Shell", [DevicePath([.firmwareFile(GUID(high: 5, low: 6))])])
    let automatic = LoadOption(
      "UEFI Misc Device", [DevicePath([.pciRoot(0)])],
      optionalData: Hexadecimal.bytes("4eac0881119f594d850ee21a522c59b2") ?? [])
    var store = try store([option(), firmwares, automatic], order: [2, 0, 1])
    try store.set(Variable(.platformLang, .standard, Array("de".utf8)))
    try store.set(Variable(.lang, .standard, Array("eng".utf8)))
    try store.set(Variable(.timeout, .standard, [0, 0]))
    try store.set(Variable(.monotonicCounter, .standard, [3, 0, 0, 0]))
    let stripped = store.withoutFirmwareVariables()
    #expect(Set(stripped.variables.map(\.key)) == [.boot(0), .bootOrder, .platformLang])
    #expect(try stripped.bootOrder() == [0])
    var own = try self.store([firmwares], order: [0])
    own = own.withoutFirmwareVariables()
    #expect(own.variables.isEmpty)
  }
}

import Basics
import EFIVariables
import ImageModel
import SystemPackage
import Testing

@testable import Guestfs
@testable import ImageBuilder

struct BootChoiceTests {
  private func entry(
    _ kind: BootEntryReport.Kind, _ identifier: String, generation: UInt64? = nil,
    profile: String? = "system",
    specialisation: String? = nil, isDefault: Bool = false, file: String = "/loader/entries/x.conf"
  ) -> BootEntryReport {
    BootEntryReport(
      kind: kind, identifier: identifier, partition: 2, file: file, title: identifier, files: [],
      options: "init=/nix/store/x/init quiet", sections: [], searches: [], profile: profile,
      generation: generation, specialisation: specialisation, isDefault: isDefault)
  }

  private func report(_ entries: [BootEntryReport], programs: [String] = []) -> ImageReport {
    ImageReport(
      image: .init(file: "x.img", format: .raw, fileSize: 1),
      disk: DiskReport(table: .gpt, sectorSize: 512, size: 1, faults: [], partitions: []), bootFiles: [],
      programs: programs.map {
        .init(partition: 1, path: "/EFI/BOOT/BOOTX64.EFI", name: $0, isFallback: true)
      },
      entries: entries, generations: [], warnings: [], notes: [])
  }

  private var many: ImageReport {
    report([
      entry(.type1, "nixos-generation-2.conf", generation: 2, isDefault: true),
      entry(.type1, "nixos-generation-2-specialisation-a.conf", generation: 2, specialisation: "a"),
      entry(.type1, "nixos-test-generation-2.conf", generation: 2, profile: "test"),
      entry(.unified, "nixos-generation-1.efi", generation: 1),
    ])
  }

  @Test(arguments: [
    (BootChoice.generation(2), "nixos-generation-2.conf"),
    (.generation(2, specialisation: "a"), "nixos-generation-2-specialisation-a.conf"),
    (.generation(nil, specialisation: "a"), "nixos-generation-2-specialisation-a.conf"),
    (.generation(2, profile: "test"), "nixos-test-generation-2.conf"),
    (.entry("nixos-generation-1"), "nixos-generation-1.efi"),
    (.entry("nixos-generation-2.conf"), "nixos-generation-2.conf"),
  ])
  func aChoiceFindsItsEntry(choice: BootChoice, identifier: String) throws {
    #expect(try choice.entry(in: many)?.identifier == identifier)
  }

  @Test func whatStartsByItselfIsNoEntry() throws {
    #expect(try BootChoice.byItself.entry(in: many) == nil)
  }

  @Test(arguments: [
    (BootChoice.generation(3), "starts generation 3", "system 2, test 2, system 1"),
    (.generation(2, specialisation: "b"), "with the specialisation b", "There are: a"),
    (.generation(1, profile: "other"), "of the profile other", "system 1"),
    (.entry("arch"), "is called 'arch'", "nixos-generation-1.efi"),
  ])
  func aChoiceThatTheImageDoesNotHaveNamesTheOthers(
    choice: BootChoice, cause: String, remedy: String
  ) throws {
    let fault = try #require(throws: Fault.self) { try choice.entry(in: many) }
    #expect(fault.kind == .badInput && fault.message.contains(cause), "\(fault)")
    #expect(fault.remedy?.contains(remedy) == true, "\(fault)")
  }

  @Test func withoutADefaultAGenerationHasToBeNamed() throws {
    let fault = try #require(throws: Fault.self) {
      try BootChoice.generation(nil, specialisation: "a").entry(in: report([]))
    }
    #expect(fault.remedy == "Name one with --generation")
  }

  // MARK: - How a boot loader is told

  private func store(_ options: [(UInt16, String)] = []) throws -> VariableStore {
    let bytes = try WholeFile.read("/usr/share/OVMF/OVMF_VARS_4M.fd")
    var store = try VariableStore(reading: bytes)
    for (number, path) in options {
      let path = try #require(DevicePath(path))
      try store.set(Variable(.boot(number), .standard, LoadOption("x", [path]).data))
    }
    return store
  }

  private static let drive = "HD(1,GPT,8be4df61-93ca-11d2-aa0d-00e098032b8c,0x800,0x64000)"

  @Test func systemdBootHasAVariable() throws {
    let entry = entry(.type1, "a.conf")
    let report = report([entry], programs: ["systemd-boot 252"])
    var store = try store()
    let means = try BootMeans.make(for: entry, in: report, store)
    #expect(means == .loaderEntryOneShot("a.conf"))
    try means.apply(to: &store)
    let variable = try #require(store[.loaderEntryOneShot])
    #expect(try VariableValue(of: variable) == .text("a.conf"))
    #expect(variable.attributes == [.nonVolatile, .bootServiceAccess, .runtimeAccess])
  }

  @Test func aUnifiedImageWithoutALoaderIsStartedByTheFirmware() throws {
    let entry = entry(.unified, "b.efi", file: "/EFI/Linux/b.efi")
    var store = try store([(3, Self.drive + #"/\EFI\Linux\A.EFI"#), (7, Self.drive + #"/\EFI\LINUX\B.EFI"#)])
    let means = try BootMeans.make(for: entry, in: report([entry]), store)
    #expect(means == .bootNext(7))
    try means.apply(to: &store)
    #expect(try VariableValue(of: #require(store[.bootNext])) == .number(7))
    #expect(throws: Fault.self) { try BootMeans.make(for: entry, in: report([entry]), self.store()) }
    #expect(throws: Fault.self) { try BootMeans.make(for: entry, in: report([entry]), nil) }
  }

  @Test func grubHasAnEnvironmentBlock() throws {
    let entry = entry(.grub, "1>2", file: "/boot/grub/grub.cfg")
    let means = try BootMeans.make(for: entry, in: report([entry]), nil)
    #expect(means == .grubEnvironment(partition: 2, folder: "/boot/grub", entry: "1>2"))
    #expect(try BootMeans.make(for: nil, in: report([]), nil) == .none)
  }

  @Test func anEnvironmentBlockKeepsItsOtherVariables() throws {
    var block = GRUBEnvironment([])
    block["saved_entry"] = "Debian, with = in it"
    block["next_entry"] = "1>2"
    let bytes = try #require(block.bytes)
    #expect(bytes.count == 1024)
    #expect(
      String(decoding: bytes, as: UTF8.self).hasPrefix(
        "# GRUB Environment Block\nsaved_entry=Debian, with = in it\nnext_entry=1>2\n###"))
    var again = GRUBEnvironment(bytes)
    #expect(again == block)
    again["next_entry"] = "0"
    #expect(again["saved_entry"] == "Debian, with = in it" && again["next_entry"] == "0")
    again["long"] = String(repeating: "x", count: 1000)
    #expect(again.bytes == nil)
    #expect(GRUBEnvironment(Array("no block".utf8)) == GRUBEnvironment([]))
  }

  // MARK: - What has booted

  @Test func whatHasBootedIsToldByItsSystem() {
    var wanted = entry(.type1, "a.conf")
    wanted.system = "/nix/store/x"
    let booted = BootedSystem(system: "/nix/store/x", commandLine: "quiet")
    #expect(booted.difference(from: wanted) == nil)
    wanted.system = "/nix/store/y"
    #expect(booted.difference(from: wanted)?.contains("/nix/store/x has booted") == true)
  }

  @Test func whatIsNotNixOSIsToldByItsCommandLine() {
    let wanted = entry(.type1, "a.conf")
    let line = "initrd=x init=/nix/store/x/init quiet ro"
    #expect(BootedSystem(system: nil, commandLine: line).difference(from: wanted) == nil)
    #expect(BootedSystem(system: nil, commandLine: "ro quiet").difference(from: wanted) != nil)
  }

  @Test func disksOfAMachineHaveLettersAndPartitionsNumbers() {
    let names = [(0, 0), (1, 2), (25, 1), (26, 3), (51, 0), (52, 1)].map {
      Guestfs.device($0.1, ofDisk: $0.0)
    }
    #expect(names == ["/dev/sda", "/dev/sdb2", "/dev/sdz1", "/dev/sdaa3", "/dev/sdaz", "/dev/sdba1"])
  }
}

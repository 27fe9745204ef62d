import Basics
import BuildPlan
import HostProbe
import Testing

@Suite struct FirmwareDescriptorTests {
  @Test func readsCodeVariablesAndFeatures() throws {
    let pair = try #require(try descriptor().pair(architecture: "x86_64", machine: "pc-q35-7.2"))
    #expect(
      pair
        == FirmwarePair(
          code: "/f/CODE.fd", variablesTemplate: "/f/VARS.fd", requiresSMM: true, secureBoot: true,
          description: "a firmware"))
  }

  @Test(arguments: [
    ("x86_64", "pc-q35-7.2", true), ("x86_64", "pc-i440fx-7.2", false), ("x86_64", "q35", false),
    ("aarch64", "pc-q35-7.2", false),
  ])
  func runsOnTheMachinesOfItsTargets(architecture: String, machine: String, runs: Bool) throws {
    #expect((try descriptor().pair(architecture: architecture, machine: machine) != nil) == runs)
  }

  @Test(arguments: [
    ("\"uefi\"", "\"bios\""), ("\"flash\"", "\"memory\""), ("\"format\": \"raw\"", "\"format\": \"vmdk\""),
    ("\"device\": \"flash\"", "\"device\": \"flash\", \"mode\": \"combined\""),
    ("\"nvram-template\"", "\"later-template\""),
  ])
  func othersThanSplitFlashAreNoPair(old: String, new: String) throws {
    #expect(
      try descriptor(replacing: old, with: new).pair(architecture: "x86_64", machine: "pc-q35-1") == nil)
  }

  @Test func filesInQcow2AreAPairToo() throws {
    let fedora = try descriptor(replacing: "\"format\": \"raw\"", with: "\"format\": \"qcow2\"")
    #expect(fedora.pair(architecture: "x86_64", machine: "pc-q35-1")?.code == "/f/CODE.fd")
  }

  @Test func wordsOfLaterVersionsAreNoFault() throws {
    let later = try descriptor(replacing: "\"secure-boot\"", with: "\"host-uefi-vars\"")
    #expect(later.features == ["requires-smm", "host-uefi-vars"])
  }

  @Test(arguments: [
    ("{", "not valid JSON"), ("[]", "array"), ("{\"description\": 1}", "description"),
    ("{\"description\": \"x\"}", "is missing"),
  ])
  func whatIsWrongIsNamed(text: String, reason: String) throws {
    let fault = try #require(throws: Fault.self) {
      try FirmwareDescriptor(file: "/etc/qemu/firmware/50-x.json", json: Array(text.utf8))
    }
    #expect(fault.description.contains("/etc/qemu/firmware/50-x.json"))
    #expect(fault.description.contains(reason))
  }

  @Test func bytesOfAnyKindAreReadOrRefused() {
    var random = SplitMix(state: 1)
    var refused = 0
    for _ in 0..<500 {
      var bytes = Array(text.utf8)
      bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
      do {
        let descriptor = try FirmwareDescriptor(file: "x", json: bytes)
        _ = descriptor.pair(architecture: "x86_64", machine: "pc-q35-7.2")
      } catch {
        refused += 1
        #expect(!error.cause.isEmpty)
      }
    }
    #expect(refused > 0 && refused < 500)
  }
}

@Suite struct FirmwareFolderTests {
  private func file(_ name: String, in folder: String, _ text: String = "{}") -> FirmwareDescriptorFile {
    FirmwareDescriptorFile(name: name, path: "\(folder)/\(name)", bytes: Array(text.utf8))
  }

  @Test func allFoldersMakeOneListByName() {
    let files = FirmwareDescriptorFile.effective(in: [
      [file("50-b.json", in: "/home")], [file("10-c.json", in: "/etc")],
      [file("60-a.json", in: "/usr"), file("40-d.json", in: "/usr")],
    ])
    #expect(files.map(\.path) == ["/etc/10-c.json", "/usr/40-d.json", "/home/50-b.json", "/usr/60-a.json"])
  }

  @Test func theMoreSpecificFolderWins() {
    let files = FirmwareDescriptorFile.effective(in: [
      [file("50-a.json", in: "/home")], [file("50-a.json", in: "/etc")], [file("50-a.json", in: "/usr")],
    ])
    #expect(files.map(\.path) == ["/home/50-a.json"])
  }

  @Test func anEmptyFileHidesTheOthers() {
    let files = FirmwareDescriptorFile.effective(in: [
      [], [file("50-a.json", in: "/etc", "")],
      [file("50-a.json", in: "/usr"), file("60-b.json", in: "/usr")],
    ])
    #expect(files.map(\.path) == ["/usr/60-b.json"])
  }

  @Test func onlyJSONFilesCount() {
    #expect(FirmwareDescriptorFile.effective(in: [[file("50-a.json~", in: "/etc")]]).isEmpty)
  }
}

@Suite struct FirmwareChoiceTests {
  /// Debian's three descriptors, in their order.
  private let debian = FirmwareSearch(
    folders: ["/usr/share/qemu/firmware"],
    found: [
      found("CODE_4M.ms.fd", "VARS_4M.ms.fd", secure: true, enrolled: true, resolved: "CODE_4M.secboot.fd"),
      found("CODE_4M.secboot.fd", "VARS_4M.fd", secure: true),
      found("CODE_4M.fd", "VARS_4M.fd", secure: false),
    ])

  @Test func plainCodeIsPreferred() throws {
    #expect(try debian.preferred().pair.code == "/OVMF/CODE_4M.fd")
  }

  @Test func theLargeStoreIsPreferred() throws {
    var search = debian
    search.found.insert(found("CODE.fd", "VARS.fd", secure: false, sizes: (0x1e0000, 0x20000)), at: 0)
    #expect(try search.preferred().pair.code == "/OVMF/CODE_4M.fd")
  }

  @Test func theFirstDescriptorIsPreferredAmongEquals() throws {
    var search = debian
    search.found.insert(found("MINE.fd", "MINE_VARS.fd", secure: false), at: 0)
    #expect(try search.preferred().pair.code == "/OVMF/MINE.fd")
  }

  @Test func secureBootCodeServesWhenThereIsNoOther() throws {
    var search = debian
    search.found.removeLast()
    let pair = try search.preferred().pair
    #expect(pair.code == "/OVMF/CODE_4M.secboot.fd")
    #expect(pair.requiresSMM)
  }

  @Test func secureBootIsChosenOnlyWhenItIsAskedFor() throws {
    let pair = try debian.preferred(secureBoot: true).pair
    #expect(pair.code == "/OVMF/CODE_4M.secboot.fd" && pair.requiresSMM && !pair.enrolledKeys)
    var search = debian
    search.found.remove(at: 1)
    let fault = try #require(throws: Fault.self) { try search.preferred(secureBoot: true) }
    #expect(fault.message.contains("with Secure Boot"))
    #expect(fault.remedy?.contains("apt install ovmf") == true)
  }

  @Test(arguments: [(true, "/mine/OVMF_CODE.fd"), (false, "/mine/OVMF_CODE.secboot.fd")])
  func whatSomebodySaysOfSMMGoesOverTheName(needsSMM: Bool, code: String) throws {
    let pair = try debian.pair(
      code: code, resolvedCode: code, variables: "/mine/VARS.fd", needsSMM: needsSMM)
    #expect(pair.requiresSMM == needsSMM)
    #expect(pair.secureBoot)
  }

  @Test func enrolledKeysAreNeverChosen() throws {
    var search = debian
    search.found.removeLast(2)
    let fault = try #require(throws: Fault.self) { try search.preferred() }
    #expect(fault.message.contains("enrolled"))
    #expect(fault.remedy?.contains("apt install ovmf") == true)
  }

  @Test func nothingFoundNamesTheFolders() throws {
    let fault = try #require(throws: Fault.self) {
      try FirmwareSearch(folders: ["/etc/qemu/firmware"]).preferred()
    }
    #expect(fault.message.contains("/etc/qemu/firmware"))
  }

  @Test func explicitCodeTakesItsNeedsFromItsDescriptor() throws {
    let pair = try debian.pair(
      code: "/OVMF/CODE_4M.ms.fd", resolvedCode: "/OVMF/CODE_4M.secboot.fd",
      variables: "/OVMF/VARS_4M.ms.fd")
    #expect(pair.requiresSMM && pair.secureBoot && pair.enrolledKeys)
    #expect(pair.code == "/OVMF/CODE_4M.ms.fd")
  }

  @Test func explicitCodeBringsItsTemplate() throws {
    let pair = try debian.pair(
      code: "/OVMF/CODE_4M.secboot.fd", resolvedCode: "/OVMF/CODE_4M.secboot.fd", variables: nil)
    #expect(pair.variablesTemplate == "/OVMF/VARS_4M.fd")
    #expect(!pair.enrolledKeys)
  }

  @Test func anotherTemplateForKnownCodeIsSaid() throws {
    let pair = try debian.pair(
      code: "/OVMF/CODE_4M.fd", resolvedCode: "/OVMF/CODE_4M.fd", variables: "/mine/VARS.fd")
    #expect(pair.variablesTemplate == "/mine/VARS.fd")
    #expect(!pair.requiresSMM)
    #expect(pair.description.contains("/mine/VARS.fd"))
  }

  @Test(arguments: [("/mine/OVMF_CODE.secboot.fd", true), ("/mine/FLASH.fd", false)])
  func unknownCodeIsJudgedByItsNameAndSaysSo(code: String, secure: Bool) throws {
    let pair = try debian.pair(code: code, resolvedCode: code, variables: "/mine/VARS.fd")
    #expect(pair.requiresSMM == secure && pair.secureBoot == secure)
    #expect(pair.description.contains("assumed"))
  }

  @Test func unknownCodeNeedsATemplate() throws {
    let fault = try #require(throws: Fault.self) {
      try debian.pair(code: "/mine/FLASH.fd", resolvedCode: "/mine/FLASH.fd", variables: nil)
    }
    #expect(fault.remedy?.contains("--efi-variables") == true)
  }

  @Test(
    arguments: [
      (3_653_632, 540_672, true), (1_966_080, 131_072, true), (917_504, 131_072, true),
      (3_653_632, 131_072, false), (1_966_080, 540_672, false), (0, 0, false), (UInt64.max, 1, false),
    ] as [(UInt64, UInt64, Bool)])
  func codeAndVariablesMakeOneFlashImage(code: UInt64, variables: UInt64, fits: Bool) {
    let pair = FirmwarePair(code: "C", variablesTemplate: "V", requiresSMM: false, secureBoot: false)
    let isRefused: Bool
    do {
      try pair.checkSizes(code: code, variables: variables)
      isRefused = false
    } catch {
      isRefused = true
    }
    #expect(isRefused != fits)
  }
}

private let text = """
  {
    "description": "a firmware",
    "interface-types": ["uefi"],
    "mapping": {
      "device": "flash",
      "executable": {"filename": "/f/CODE.fd", "format": "raw"},
      "nvram-template": {"filename": "/f/VARS.fd", "format": "raw"}
    },
    "targets": [{"architecture": "x86_64", "machines": ["pc-q35-*"]}],
    "features": ["requires-smm", "secure-boot"],
    "tags": []
  }
  """

private func descriptor(replacing old: String = "", with new: String = "") throws -> FirmwareDescriptor {
  let changed = old.isEmpty ? text : text.replacing(old, with: new)
  return try FirmwareDescriptor(file: "/usr/share/qemu/firmware/50-x.json", json: Array(changed.utf8))
}

private func found(
  _ code: String, _ variables: String, secure: Bool, enrolled: Bool = false, resolved: String? = nil,
  sizes: (UInt64, UInt64) = (0x37c000, 0x84000)
) -> FoundFirmware {
  FoundFirmware(
    pair: FirmwarePair(
      code: "/OVMF/\(code)", variablesTemplate: "/OVMF/\(variables)", requiresSMM: secure, secureBoot: secure,
      enrolledKeys: enrolled, description: "\(code)"),
    resolvedCode: "/OVMF/\(resolved ?? code)", codeSize: sizes.0, variablesSize: sizes.1)
}

/// A small generator with a seed, so that a failure can be run again.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
    return mixed ^ mixed >> 31
  }
}

import Command
import EFIVariables
import Foundation
import ImageBuilder
import ImageModel
import SystemPackage
import TestSupport
import Testing

/// The variable store that a build leaves: the same in each, and one that fits the disk.
@Suite(.virtualMachines, .serialized) struct StoreExportTests {
  private static let code = "/usr/share/OVMF/OVMF_CODE_4M.fd"
  private static let template = "/usr/share/OVMF/OVMF_VARS_4M.fd"

  /// Memory, processors and clock differ; so does how full the store is: the second firmware has to move it together.
  /// The first is looked at in the guest as well.
  @Test func a5a6EqualInstallationsLeaveEqualStoresAndTheEntryIsWhatBoots() async throws {
    try await withScratchDirectory { scratch in
      let system = try await TestSystem.path("tiny")
      let first = scratch.appending("a")
      let built = try await SlipwayCommand.run(
        ["build", "--system", system, "--out", first.string, "--additional-space", "16M"])
      try #require(built.status == 0, "\(built.errors)")
      let store = first.appending("efi-vars.fd")

      let full = scratch.appending("full.fd").string
      try Data(Self.nearlyFull()).write(to: URL(fileURLWithPath: full))
      let second = scratch.appending("b")
      let other = try await SlipwayCommand.run([
        "build", "--system", system, "--out", second.string, "--additional-space", "16M", "--mem-size", "640",
        "--cpus", "1", "--efi-firmware", Self.code, "--efi-variables", full, "--vm-template",
        try Self.laterTemplate(in: scratch),
      ])
      try #require(other.status == 0, "\(other.errors)")
      #expect(try bytes(store) == bytes(second.appending("efi-vars.fd")))

      try await expectReport(built.output, in: first)
      let image = first.appending("nixos.img")
      let check = try await SlipwayCommand.run(["efivars", "check", store.string, "--image", image.string])
      #expect(check.status == 0, "\(check.errors)")
      try await expectTheEntryBoots(image, store, scratch)
    }
  }

  /// What bootctl and the firmware say of the boot, in the guest.
  private func expectTheEntryBoots(_ image: FilePath, _ store: FilePath, _ scratch: FilePath) async throws {
    let entry = try #require(
      try read(store).bootOrder().first {
        try read(store).bootOption($0)?.description == "Linux Boot Manager"
      })
    let folder = "/sys/firmware/efi/efivars"
    let commands = [
      "echo boot=$(tail -c +5 \(folder)/BootCurrent-\(GUID.globalVariable) | od -An -tx1)",
      "echo part=$(tail -c +5 \(folder)/LoaderDevicePartUUID-\(GUID.bootLoader) | tr -d '\\0')",
      "echo info=$(tail -c +5 \(folder)/LoaderFirmwareInfo-\(GUID.bootLoader) | tr -d '\\0')",
      "echo entries=$(cat \(folder)/Boot0* | tr -d '\\0' | grep -c 'Linux Boot Manager') end-$((6 * 7))",
    ]
    let shown = try await ConsoleSession.run(
      image: image, format: "raw", variables: store, scratch: scratch, commands: commands, until: "end-42")
    let esp = try await DiskImage(image).partitions()[0]
    let number = [UInt8(truncatingIfNeeded: entry), UInt8(truncatingIfNeeded: entry >> 8)]
    let pairs = number.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
    #expect(shown.contains("boot= \(pairs)"), "\(shown.suffix(2000))")
    // A22.
    #expect(shown.lowercased().contains("part=\(esp.uuid?.lowercased() ?? "?")"), "\(shown.suffix(2000))")
    #expect(shown.contains("info=EDK II"), "\(shown.suffix(2000))")
    #expect(shown.contains("entries=1 end-42"), "\(shown.suffix(2000))")

    // A6: the firmware that never saw the installation finds the disk by itself, and has no such entry.
    let fresh = try await ConsoleSession.run(
      image: image, format: "raw", variables: FilePath(Self.template), scratch: scratch, commands: commands,
      until: "end-42")
    #expect(fresh.contains("entries=0 end-42"), "\(fresh.suffix(2000))")
  }

  /// The installation's part in the variables, in the manifest and in what the build prints.
  private func expectReport(_ output: String, in folder: FilePath) async throws {
    let data = try Data(contentsOf: URL(fileURLWithPath: folder.appending("manifest.json").string))
    let changes = try #require(try JSONDecoder().decode(Manifest.self, from: data).efiVariableChanges)
    let store = try read(folder.appending("efi-vars.fd"))
    let template = try read(FilePath(Self.template))
    #expect(Set(changes.map(\.variable)) == Set(store.variables.map(\.key.description)))
    #expect(template.variables.isEmpty && changes.allSatisfy { $0.kind == .added })
    let own = changes.filter { !$0.isFirmwareOwned }.map(\.variable)
    #expect(own.contains("BootOrder-\(GUID.globalVariable)"), "\(own)")
    for name in own {
      // Names of UEFI itself are told without their GUID.
      let shown = name.replacing("-\(GUID.globalVariable)", with: "")
      #expect(output.contains("EFI variable added: \(shown) = "), "\(output)")
    }
    #expect(output.contains("EFI variables of the firmware's own: \(changes.count - own.count)"), "\(output)")
  }

  @Test func strippedAndRawStoresBoot() async throws {
    try await withScratchDirectory { scratch in
      let system = try await TestSystem.path("tiny")
      for (arguments, isRaw) in [
        (["--strip-firmware-variables"], false), (["--efi-vars-form", "raw"], true),
      ] {
        let out = scratch.appending(isRaw ? "raw" : "stripped")
        let built = try await SlipwayCommand.run(
          ["build", "--system", system, "--out", out.string, "--additional-space", "16M"] + arguments
            + (isRaw ? [] : ["--verify"]))
        try #require(built.status == 0, "\(built.errors)")
        let store = try read(out.appending("efi-vars.fd"))
        #expect(store.variables.contains(where: \.isRemadeByFirmware) == isRaw)
        #expect((store.deadCount > 0) == isRaw)
        #expect(
          try store.bootOrder().contains { try store.bootOption($0)?.description == "Linux Boot Manager" })
      }
    }
  }

  /// Bootloaders whose installation ends with 0, and after which nothing would boot.
  @Test(arguments: [
    ("broken-entry", ["--touch-efi-vars"], "HD(1,GPT,00000000-0000-0000-0000-000000000000"),
    ("broken-file", ["--touch-efi-vars"], "has no such file"),
    ("grub-efi", ["--no-touch-efi-vars"], "efiInstallAsRemovable"),
  ])
  func a38AStoreThatDoesNotFitItsDiskFailsTheBuild(system: String, arguments: [String], words: String)
    async throws
  {
    try await withScratchDirectory { scratch in
      let result = try await SlipwayCommand.run(
        ["build", "--system", try await TestSystem.path(system), "--out", scratch.appending("r").string]
          + arguments)
      #expect(result.status == 1, "\(result.errors)")
      #expect(result.errors.contains(words), "\(result.errors)")
      #expect(try await leftovers(in: scratch).isEmpty)
    }
  }

  private func bytes(_ file: FilePath) throws -> [UInt8] {
    try Array(Data(contentsOf: URL(fileURLWithPath: file.string)))
  }

  private func read(_ file: FilePath) throws -> VariableStore { try VariableStore(reading: bytes(file)) }

  /// The template with dead records up to 300 bytes before its end: whatever the firmware writes, it has to make room.
  private static func nearlyFull() throws -> [UInt8] {
    var bytes = try Array(Data(contentsOf: URL(fileURLWithPath: template)))
    let layout = try VariableStore(reading: bytes).layout
    var store = try VariableStore(reading: bytes)
    let key = try #require(VariableKey(GUID(high: 1, low: 2), "Filler"))
    try store.set(Variable(key, .standard, Array(repeating: 0x5a, count: 8000)))
    let record = Array(
      try store.serialized()[layout.firstRecord..<layout.firstRecord + store.sizeOfVariables])
    var offset = layout.firstRecord
    while layout.storeEnd - offset > record.count + 300 {
      bytes.replaceSubrange(offset..<offset + record.count, with: record)
      // VAR_ADDED & VAR_DELETED.
      bytes[offset + 2] = 0x3d
      offset += record.count
    }
    return bytes
  }

  /// The installer's domain template with a clock four hundred days later.
  private static func laterTemplate(in scratch: FilePath) throws -> String {
    let path = TestSystem.repository("vm-templates/installer.xml")
    let text = try String(contentsOfFile: path, encoding: .utf8)
    let later = text.replacingOccurrences(
      of: "start='{{clock}}'", with: "start='\(946_814_400 + 400 * 86400)'")
    try #require(later != text)
    let file = scratch.appending("later.xml").string
    try later.write(toFile: file, atomically: true, encoding: .utf8)
    return file
  }
}

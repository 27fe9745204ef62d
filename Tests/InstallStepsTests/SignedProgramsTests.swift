internal import AgentProtocol
internal import SystemPackage
internal import TestSupport
internal import Testing

@testable internal import InstallSteps

@Suite("EFI programs without a signature")
struct SignedProgramsTests {
  /// The beginning of a PE32+ program whose headers are at 0x80.
  private func program(certificates: UInt8, directories: UInt8 = 16) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 0x200)
    bytes.replaceSubrange(0..<2, with: Array("MZ".utf8))
    bytes[0x3c] = 0x80
    bytes.replaceSubrange(0x80..<0x82, with: Array("PE".utf8))
    bytes.replaceSubrange(0x98..<0x9a, with: [0x0b, 0x02])
    bytes[0x98 + 108] = directories
    bytes[0x98 + 112 + 36] = certificates
    return bytes
  }

  @Test("the table of certificates decides; what is no program is passed over")
  func header() {
    #expect(hasSignature(program(certificates: 8)) == true)
    #expect(hasSignature(program(certificates: 0)) == false)
    #expect(hasSignature(program(certificates: 8, directories: 4)) == false)
    #expect(hasSignature(Array("title NixOS".utf8)) == nil)
    #expect(hasSignature([]) == nil)
    #expect(hasSignature(Array("MZ".utf8) + [UInt8](repeating: 0xff, count: 100)) == nil)
    let whole = program(certificates: 8)
    for count in 0..<whole.count { _ = hasSignature(Array(whole.prefix(count))) }
  }

  @Test("each unsigned program in the folders is named in a warning")
  func warnings() async throws {
    try await withScratchDirectory { root in
      for (name, bytes) in [
        ("boot/EFI/BOOT/BOOTX64.EFI", program(certificates: 8)),
        ("boot/EFI/nixos/kernel.efi", program(certificates: 0)), ("boot/loader/loader.conf", [0x61]),
        ("efi/other.efi", program(certificates: 0)),
      ] { try root.appending(name).write(bytes) }
      func warnings(_ folders: [String]?) throws -> [String] {
        let log = EventLog()
        let context = log.context(RecordingRunner(), root: root)
        let step = InstallBootLoader(
          system: "/s", touchEFIVariables: true, disk: "d", signedFolders: folders)
        try step.warnOfUnsigned(below: root.string, emit: context.emit)
        return log.warnings
      }
      let seen = try warnings(["/boot"])
      #expect(seen.count == 1)
      #expect(seen.first?.hasPrefix("/boot/EFI/nixos/kernel.efi is not signed") == true)
      #expect(try warnings(nil).isEmpty)
    }
  }
}

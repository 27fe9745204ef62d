internal import Basics
import Command
import EFIVariables
import Foundation
import ImageModel
import SystemPackage
import TestSupport
import Testing

@testable import ImageBuilder

/// Programs are Debian's kernels, which Debian has signed, and osslsigncode signs them anew.
@Suite("Programs that a firmware with Secure Boot starts")
struct SignedProgramsTests {
  private let runner = SubprocessRunner()

  private func signed(by signer: TestCertificate, in scratch: FilePath) async throws -> [UInt8] {
    let file = scratch.appending("signed-\(UUID().uuidString).efi")
    try await runner.run(
      "osslsigncode", "sign", "-h", "sha256", "-certs", signer.pem.string, "-key", signer.key.string, "-in",
      GuestKernel.path(), "-out", file.string)
    return Array(try Data(contentsOf: URL(fileURLWithPath: file.string)))
  }

  private func unsigned(in scratch: FilePath) async throws -> [UInt8] {
    let file = scratch.appending("unsigned.efi")
    try await runner.run(
      "osslsigncode", "remove-signature", "-in", GuestKernel.path(), "-out", file.string)
    return Array(try Data(contentsOf: URL(fileURLWithPath: file.string)))
  }

  private func store(
    db: [TestCertificate], digests: [[UInt8]] = [], forbidden: [SignatureList] = []
  ) throws -> VariableStore {
    let template = try Data(contentsOf: URL(fileURLWithPath: "/usr/share/OVMF/OVMF_VARS_4M.fd"))
    var store = try VariableStore(reading: Array(template))
    let certificates = try db.map { try certificate($0) }
    try store.enrol(
      SecureBootKeys(
        platformKey: certificates[0], keyExchangeKeys: [SignatureList(certificates[0])],
        signatures: certificates.map { SignatureList($0) } + digests.map { SignatureList(sha256: $0) },
        forbiddenSignatures: forbidden))
    return store
  }

  private func certificate(_ file: TestCertificate) throws -> Certificate {
    try Certificate(der: Array(Data(contentsOf: URL(fileURLWithPath: file.der.string))))
  }

  @Test("db's own certificate, one that it issued, and a digest in db are trusted; names are not")
  func trust() async throws {
    try await withScratchDirectory { scratch in
      let issuer = try await TestCertificate("issuer", in: scratch)
      let namesake = try await TestCertificate("namesake", in: scratch, subject: "issuer")
      let signer = try await TestCertificate("signer", in: scratch, issuer: issuer)
      let program = try EFIProgram(try await signed(by: signer, in: scratch))
      func verdict(_ db: [TestCertificate], _ digests: [[UInt8]] = []) throws -> ProgramVerdict {
        try ProgramTrust(store(db: db, digests: digests)).verdict(on: program)
      }
      #expect(try verdict([signer]) == .trusted)
      #expect(try verdict([issuer]) == .trusted)
      #expect(try verdict([namesake], [program.digest()]) == .trusted)
      guard case .refused(let reason) = try verdict([namesake]) else {
        Issue.record("trusted by its issuer's name")
        return
      }
      #expect(reason.contains("'CN=signer'"), "\(reason)")
    }
  }

  @Test(
    "What another has signed, what was changed afterwards, what dbx has and what nobody signed are told apart"
  )
  func refusals() async throws {
    try await withScratchDirectory { scratch in
      let signer = try await TestCertificate("signer", in: scratch)
      let whole = try await signed(by: signer, in: scratch)
      var changed = whole
      changed[changed.count / 2] ^= 1
      let digest = try EFIProgram(whole).digest()
      let unsigned = try EFIProgram(await unsigned(in: scratch))
      #expect(unsigned.digest() == digest)
      let trust = try ProgramTrust(store(db: [signer]))
      #expect(trust.verdict(on: unsigned) == .unsigned)
      #expect(try trust.verdict(on: EFIProgram(whole)) == .trusted)

      let byDebian = try EFIProgram(Array(Data(contentsOf: URL(fileURLWithPath: GuestKernel.path()))))
      let forbidding = [SignatureList(sha256: digest), SignatureList(try certificate(signer))]
      for (program, trust, word) in [
        (byDebian, trust, "Debian"), (try EFIProgram(changed), trust, "changed"),
        (try EFIProgram(whole), try ProgramTrust(store(db: [signer], forbidden: [forbidding[0]])), "digest"),
        (
          try EFIProgram(whole), try ProgramTrust(store(db: [signer], forbidden: [forbidding[1]])),
          "dbx forbids"
        ),
      ] {
        guard case .refused(let reason) = trust.verdict(on: program) else {
          Issue.record("\(word): \(trust.verdict(on: program))")
          continue
        }
        #expect(reason.contains(word), "\(reason)")
      }
    }
  }

  @Test("Cut and mutated programs are judged without a crash")
  func damaged() async throws {
    try await withScratchDirectory { scratch in
      let signer = try await TestCertificate("signer", in: scratch)
      let trust = try ProgramTrust(store(db: [signer]))
      let whole = smallProgram(signature: try signature(of: await signed(by: signer, in: scratch)))
      #expect(try trust.verdict(on: EFIProgram(whole)) == .refused("it was changed after it was signed"))
      for count in 0..<whole.count { judge(Array(whole.prefix(count)), trust) }
      for index in whole.indices {
        for value in [0x80, 0xff, whole[index] ^ 1] as [UInt8] {
          var bytes = whole
          bytes[index] = value
          judge(bytes, trust)
        }
      }
    }
  }

  private func judge(_ bytes: [UInt8], _ trust: ProgramTrust) {
    guard let program = try? EFIProgram(bytes) else { return }
    #expect(trust.verdict(on: program) != .trusted)
  }

  private func signature(of program: [UInt8]) throws -> [UInt8] {
    try #require(try EFIProgram(program).signatures().first)
  }

  /// Headers at 0x40, one section of eight bytes and a signature.
  private func smallProgram(signature: [UInt8]) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 0x180)
    func put(_ number: Int, _ size: Int, at offset: Int) {
      for index in 0..<size { bytes[offset + index] = UInt8(truncatingIfNeeded: number >> (8 * index)) }
    }
    put(0x5a4d, 2, at: 0)
    put(0x40, 4, at: 0x3c)
    put(0x4550, 4, at: 0x40)
    put(1, 2, at: 0x46)  // sections
    put(0xf0, 2, at: 0x54)  // size of the optional header
    let optional = 0x58
    put(0x20b, 2, at: optional)
    put(0x178, 4, at: optional + 60)
    put(16, 4, at: optional + 108)
    put(0x180, 4, at: optional + 144)
    put(signature.count + 8, 4, at: optional + 148)
    put(8, 4, at: optional + 0xf0 + 16)
    put(0x178, 4, at: optional + 0xf0 + 20)
    var entry = [UInt8](repeating: 0, count: 8)
    for index in 0..<4 { entry[index] = UInt8(truncatingIfNeeded: (signature.count + 8) >> (8 * index)) }
    entry[5] = 2
    entry[6] = 2
    return bytes + entry + signature
  }
}

extension SignedProgramsTests {
  @Test(
    "On a disk: a fallback loader of another signer is refused with its name and signer; others are warnings")
  func disk() async throws {
    try await withScratchDirectory { scratch in
      let signer = try await TestCertificate("signer", in: scratch)
      let other = try await TestCertificate("other", in: scratch)
      let disk = try await BootableDisk.make(in: scratch)
      let store = try store(db: [signer])
      func put(_ bytes: [UInt8], _ path: String) async throws {
        let file = scratch.appending("file").string
        try Data(bytes).write(to: URL(fileURLWithPath: file))
        try await runner.run("mcopy", "-o", "-i", "\(disk)@@1048576", file, "::/\(path)")
      }
      func look() async throws -> SignedPrograms {
        let found = try await BootDiskReader().read(image: disk.string, format: .raw)
        return try #require(
          try await SignedPrograms.read(from: disk, found, layout: layout, store: store))
      }
      let good = try await signed(by: signer, in: scratch)
      try await put(good, "EFI/BOOT/BOOTX64.EFI")
      try await look().check()
      #expect(try await look().warnings.isEmpty)

      // mtools would take the name for a pattern of the other.
      try await put(Array(good.prefix(0x2000)), "EFI/c[u]t.efi")
      try await put(Array("no program".utf8), "EFI/cut.efi")
      let warnings = try await look().warnings
      #expect(warnings.count == 1 && warnings.first?.hasPrefix("/boot/EFI/c[u]t.efi") == true, "\(warnings)")
      try await look().check()

      try await put(try await signed(by: other, in: scratch), "EFI/BOOT/BOOTX64.EFI")
      let programs = try await look()
      let error = try #require(throws: Fault.self) { try programs.check() }
      #expect(error.message.contains("/boot/EFI/BOOT/BOOTX64.EFI"), "\(error.message)")
      #expect(error.message.contains("'CN=other'") && error.remedy?.contains("db") == true)
    }
  }

  @Test("A program that nobody signed is a warning, and a refusal where the firmware starts it")
  func unsignedPrograms() throws {
    func programs(_ isStarted: Bool) -> SignedPrograms {
      SignedPrograms([.init(name: "/boot/a.efi", isStarted: isStarted, verdict: .unsigned)])
    }
    #expect(
      programs(false).warnings == ["/boot/a.efi is not signed: firmware with Secure Boot will not start it"])
    try programs(false).check()
    #expect(throws: Fault.self) { try programs(true).check() }
  }

  @Test("Without Secure Boot in the store nothing is judged")
  func off() async throws {
    let template = try Data(contentsOf: URL(fileURLWithPath: "/usr/share/OVMF/OVMF_VARS_4M.fd"))
    let store = try VariableStore(reading: Array(template))
    #expect(
      try await SignedPrograms.read(
        from: "/nowhere", BootDisk(partitions: []), layout: layout, store: store) == nil)
  }

  private var layout: DiskLayout {
    DiskLayout(
      table: .gpt, sectorSize: 512, sectors: 40960, guid: GUID(high: 1, low: 2),
      partitions: [
        Partition(
          number: 1, name: "ESP", type: .efiSystem,
          guid: GUID(high: 0x1111_1111_2222_3333, low: 0x4444_5555_5555_5555), start: 2048, sectors: 32768,
          filesystem: Filesystem(kind: .vfat, label: "ESP", uuid: nil, mountPoint: "/boot"))
      ])
  }
}

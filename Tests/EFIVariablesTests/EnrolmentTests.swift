import Command
import EFIVariables
import Foundation
import ImageModel
import SystemPackage
import TestSupport
import Testing

@Suite("Keys of Secure Boot are enrolled in a store")
struct EnrolmentTests {
  @Test("virt-fw-vars lists the same keys as when it enrols them itself")
  func agreesWithVirtFirmware() async throws {
    try await withScratchDirectory { scratch in
      let platform = try await TestCertificate("PK", in: scratch)
      let exchange = try await TestCertificate("KEK", in: scratch)
      let ours = try await TestCertificate("db", in: scratch)
      let others = try await TestCertificate("db2", in: scratch)
      var store = try template()
      try store.enrol(
        SecureBootKeys(
          platformKey: certificate(platform.pem),
          keyExchangeKeys: [SignatureList(certificate(exchange.der))],
          signatures: [SignatureList(certificate(ours.pem)), SignatureList(certificate(others.der))]))
      #expect(store.enforcesSecureBoot)
      let firmware = VirtFirmware(scratch: scratch)
      let listed = try await firmware.list(store.serialized())
      let enrolled = try await firmware.edit(
        read(Self.file),
        flags(
          ["--set-pk": [platform], "--add-kek": [exchange], "--add-db": [ours, others]]) + ["--sb"])
      let expected = try await firmware.list(enrolled)
      #expect(comparable(listed) == comparable(expected))
      let times = Set(listed.compactMap(\.time))
      #expect(times == ["da070306131115000000000000000000"])
    }
  }

  private func flags(_ certificates: [String: [TestCertificate]]) -> [String] {
    certificates.flatMap { flag, certificates in
      certificates.flatMap { [flag, SecureBootKeys.owner.description, $0.pem.string] }
    }
  }

  /// Without what virt-fw-vars decides by itself: times, and the owner of the digest in dbx.
  private func comparable(_ variables: Set<VirtFirmware.Listed>) -> Set<VirtFirmware.Listed> {
    Set(
      variables.map { variable in
        var variable = variable
        variable.time = nil
        if variable.name == "dbx" { variable.data.replaceSubrange(owner(in: variable.data), with: "") }
        return variable
      })
  }

  /// The owner of the first signature, in hexadecimal digits.
  private func owner(in data: String) -> Range<String.Index> {
    data.index(data.startIndex, offsetBy: 56)..<data.index(data.startIndex, offsetBy: 88)
  }

  @Test("Equal keys make equal stores, and a certificate that is named twice is there once")
  func repeatable() async throws {
    try await withScratchDirectory { scratch in
      let certificate = try await certificate(TestCertificate("PK", in: scratch).pem)
      let list = SignatureList(certificate)
      let keys = SecureBootKeys(platformKey: certificate, keyExchangeKeys: [list, list], signatures: [list])
      var one = try template()
      try one.enrol(keys)
      var other = one
      try other.enrol(keys)
      #expect(one == other)
      #expect(one[.keyExchangeKeys]?.data == list.data)
      #expect(try VariableStore(reading: one.serialized()) == one)
    }
  }

  @Test("A dbx that is there stays, unless the keys bring another")
  func forbidden() async throws {
    try await withScratchDirectory { scratch in
      let certificate = try await certificate(TestCertificate("PK", in: scratch).pem)
      let list = SignatureList(certificate)
      var keys = SecureBootKeys(platformKey: certificate, keyExchangeKeys: [list], signatures: [list])
      var store = try template()
      let old = SignatureList(sha256: Array(repeating: 7, count: 32))
      try store.set(Variable(.forbiddenSignatures, .signatureDatabase, old.data))
      try store.enrol(keys)
      #expect(store[.forbiddenSignatures]?.data == old.data)
      keys.forbiddenSignatures = [list]
      try store.enrol(keys)
      #expect(store[.forbiddenSignatures]?.data == list.data)
    }
  }

  @Test("Without a key for KEK or db, or in a plain store, nothing is enrolled")
  func refused() async throws {
    try await withScratchDirectory { scratch in
      let certificate = try await certificate(TestCertificate("PK", in: scratch).pem)
      let list = SignatureList(certificate)
      let empty = try template()
      for keys in [
        SecureBootKeys(platformKey: certificate, keyExchangeKeys: [], signatures: [list]),
        SecureBootKeys(platformKey: certificate, keyExchangeKeys: [list], signatures: []),
      ] {
        var store = empty
        #expect(throws: EFIFault.self) { try store.enrol(keys) }
        #expect(store == empty)
      }
      var plain = try VariableStore(reading: SyntheticStore(isAuthenticated: false).bytes)
      let keys = SecureBootKeys(platformKey: certificate, keyExchangeKeys: [list], signatures: [list])
      #expect(throws: EFIFault.self) { try plain.enrol(keys) }
      #expect(plain.variables.isEmpty)
    }
  }

  @Test("What is no certificate is refused, wherever it is cut or changed, and nothing crashes")
  func damaged() async throws {
    try await withScratchDirectory { scratch in
      let made = try await TestCertificate("PK", in: scratch)
      let pem = try read(made.pem)
      let der = try read(made.der)
      #expect(try Certificate.all(in: pem) == [Certificate(der: der)])
      #expect(try Certificate.all(in: Array("a remark\r\n".utf8) + pem + pem).count == 2)
      for bad in [
        [], Array("hello".utf8), Array(pem.dropLast(30)), der + [0], try read(made.key),
        Array("-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n".utf8),
        Array("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n".utf8),
      ] { #expect(throws: EFIFault.self) { try Certificate.all(in: bad) } }
      for count in 0..<der.count {
        #expect(throws: EFIFault.self) { try Certificate.all(in: Array(der.prefix(count))) }
      }
      var generator = SplitMix(state: 11)
      for _ in 0..<1000 {
        var bytes = Bool.random(using: &generator) ? pem : der
        bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(
          in: 0...255, using: &generator)
        _ = try? Certificate.all(in: bytes)
      }
    }
  }

  @Test("A certificate with another key than RSA is refused: firmware cannot verify with it")
  func ellipticCurve() async throws {
    try await withScratchDirectory { scratch in
      let made = try await TestCertificate(
        "EC", in: scratch, algorithm: ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
      #expect(performing: { try certificate(made.pem) }, throws: { "\($0)".contains("RSA") })
    }
  }

  private static let file: FilePath = "/usr/share/OVMF/OVMF_VARS_4M.fd"

  private func template() throws -> VariableStore {
    try VariableStore(reading: read(Self.file))
  }

  private func certificate(_ file: FilePath) throws -> Certificate {
    try #require(Certificate.all(in: read(file)).first)
  }

  private func read(_ file: FilePath) throws -> [UInt8] {
    try Array(Data(contentsOf: URL(fileURLWithPath: file.string)))
  }
}

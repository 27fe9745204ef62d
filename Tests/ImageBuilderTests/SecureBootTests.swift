import AgentProtocol
import BuildPlan
import Command
import EFIVariables
import SystemPackage
import TestSupport
import Testing

@testable import ImageBuilder

@Suite("The files of secureBoot")
struct SecureBootTests {
  @Test("Good ones are read; what signs is kept as it stands, and shown nowhere")
  func good() async throws {
    try await withScratchDirectory { scratch in
      let owner = try await TestCertificate("owner", in: scratch)
      let signer = try await TestCertificate("signer", in: scratch)
      let secure = try SecureBoot(spec(owner, signer))
      #expect(secure.keys.signatures.count == 2)
      #expect(secure.signing.map(\.variable) == ["SLIPWAY_SIGN_KEY", "SLIPWAY_SIGN_CERT"])
      #expect(secure.signing[0].text.contains("PRIVATE KEY"))
      #expect(!String(reflecting: secure).contains("PRIVATE KEY"))
      #expect(!"\(secure)".contains("PRIVATE KEY"))
    }
  }

  @Test("What is missing, damaged or does not fit is refused, with its field and a remedy")
  func bad() async throws {
    try await withScratchDirectory { scratch in
      let owner = try await TestCertificate("owner", in: scratch)
      let signer = try await TestCertificate("signer", in: scratch)
      let locked = scratch.appending("locked.key")
      try await SubprocessRunner().run(
        "openssl", "pkcs8", "-topk8", "-in", signer.key.string, "-passout", "pass:x", "-out", locked.string)
      let older = scratch.appending("older.key").string
      try await SubprocessRunner().run(
        "openssl", "rsa", "-traditional", "-aes128", "-in", signer.key.string, "-passout", "pass:x", "-out",
        older)
      let two = scratch.appending("two.pem").string
      try await SubprocessRunner().run("sh", "-c", "cat \(owner.pem) \(signer.pem) > \(two)")
      let cases: [(String, (inout SecureBootSpec) -> Void)] = [
        ("'pk'", { $0.pk = "/nowhere" }), ("'pk'", { $0.pk = owner.key.string }), ("'pk'", { $0.pk = two }),
        ("'kek'", { $0.kek = ["/dev/null"] }), ("'db'", { $0.db = [owner.pem.string, "/nowhere"] }),
        ("db has neither", { $0.db = [owner.pem.string] }),
        ("'sign.key'", { $0.sign?.key = signer.pem.string }),
        ("passphrase", { $0.sign?.key = locked.string }), ("passphrase", { $0.sign?.key = older }),
        ("'sign.cert'", { $0.sign?.cert = signer.der.string }), ("'sign.key'", { $0.sign?.key = "/nowhere" }),
      ]
      for (word, change) in cases {
        var spec = spec(owner, signer)
        change(&spec)
        let error = try #require(throws: SpecError.self) { try SecureBoot(spec) }
        #expect(error.key == "secureBoot")
        #expect(error.message.contains(word), "\(error.message)")
        #expect(!error.remedy.isEmpty)
      }
    }
  }

  @Test("A key of another pair is refused, in every form and of every kind; its own is taken in every form")
  func keyOfAnotherPair() async throws {
    try await withScratchDirectory { scratch in
      let owner = try await TestCertificate("owner", in: scratch)
      let signer = try await TestCertificate("signer", in: scratch, algorithm: ["-newkey", "rsa:3072"])
      let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
      let other = try await TestCertificate("other", in: scratch, algorithm: curve)
      func oldForm(_ kind: String, of key: FilePath, _ options: [String] = []) async throws -> String {
        let file = "\(key).old"
        try await SubprocessRunner().run(
          Command("openssl", [kind, "-in", key.string, "-out", file] + options))
        return file
      }
      func read(_ key: String) throws {
        var spec = spec(owner, signer)
        spec.sign?.key = key
        _ = try SecureBoot(spec)
      }
      try read(signer.key.string)
      try read(try await oldForm("rsa", of: signer.key, ["-traditional"]))
      for key in [
        owner.key.string, other.key.string, try await oldForm("rsa", of: owner.key, ["-traditional"]),
        try await oldForm("ec", of: other.key),
      ] {
        let error = try #require(throws: SpecError.self, "\(key)") { try read(key) }
        #expect(error.message.contains("not that of the certificate"), "\(error.message)")
      }
    }
  }

  @Test("An issuer in db counts by its key: another certificate with its name does not")
  func issuerByKey() async throws {
    try await withScratchDirectory { scratch in
      let owner = try await TestCertificate("owner", in: scratch)
      let issuer = try await TestCertificate("issuer", in: scratch)
      let namesake = try await TestCertificate("namesake", in: scratch, subject: "issuer")
      let signer = try await TestCertificate("signer", in: scratch, issuer: issuer)
      func read(db: TestCertificate) throws {
        var spec = spec(owner, signer)
        spec.db = [db.pem.string]
        _ = try SecureBoot(spec)
      }
      try read(db: issuer)
      let error = try #require(throws: SpecError.self) { try read(db: namesake) }
      #expect(error.message.contains("db has neither"))
    }
  }

  private func spec(_ owner: TestCertificate, _ signer: TestCertificate) -> SecureBootSpec {
    SecureBootSpec(
      pk: owner.pem.string, kek: [owner.der.string], db: [owner.pem.string, signer.der.string],
      sign: SigningSpec(key: signer.key.string, cert: signer.pem.string))
  }
}

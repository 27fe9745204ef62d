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
      let two = scratch.appending("two.pem").string
      try await SubprocessRunner().run("sh", "-c", "cat \(owner.pem) \(signer.pem) > \(two)")
      let cases: [(String, (inout SecureBootSpec) -> Void)] = [
        ("'pk'", { $0.pk = "/nowhere" }), ("'pk'", { $0.pk = owner.key.string }), ("'pk'", { $0.pk = two }),
        ("'kek'", { $0.kek = ["/dev/null"] }), ("'db'", { $0.db = [owner.pem.string, "/nowhere"] }),
        ("db has neither", { $0.db = [owner.pem.string] }),
        ("'sign.key'", { $0.sign?.key = signer.pem.string }),
        ("passphrase", { $0.sign?.key = locked.string }),
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

  private func spec(_ owner: TestCertificate, _ signer: TestCertificate) -> SecureBootSpec {
    SecureBootSpec(
      pk: owner.pem.string, kek: [owner.der.string], db: [owner.pem.string, signer.der.string],
      sign: SigningSpec(key: signer.key.string, cert: signer.pem.string))
  }
}

internal import Basics
internal import EFIVariables
internal import SwiftASN1
internal import X509

/// What a firmware with Secure Boot makes of a program.
enum ProgramVerdict: Hashable, Sendable {
  /// It starts.
  case trusted
  /// Nobody has signed it, and db does not have its digest.
  case unsigned
  /// Why it does not start, though somebody has signed it.
  case refused(String)
  /// Why that cannot be told here.
  case undecided(String)
}

/// Which programs the databases `db` and `dbx` of a variable store let a firmware start (UEFI 2.10, 32.5.3.3).
struct ProgramTrust: Sendable {
  private var allowed: [X509.Certificate] = []
  private var allowedDigests: Set<[UInt8]> = []
  private var forbidden: Set<X509.Certificate> = []
  private var forbiddenDigests: Set<[UInt8]> = []
  /// Whether db has a certificate that is not understood here.
  private var hasOthers = false

  /// Reads the databases.
  ///
  /// - Throws: `EFIFault` when one is malformed.
  init(_ store: VariableStore) throws(EFIFault) {
    for signature in try Self.signatures(store[.signatures]) {
      switch signature {
      case .certificate(let certificate): allowed.append(certificate)
      case .digest(let digest): allowedDigests.insert(digest)
      case .other: hasOthers = true
      }
    }
    for signature in try Self.signatures(store[.forbiddenSignatures]) {
      switch signature {
      case .certificate(let certificate): forbidden.insert(certificate)
      case .digest(let digest): forbiddenDigests.insert(digest)
      case .other: break
      }
    }
  }

  private enum Entry {
    case certificate(X509.Certificate)
    case digest([UInt8])
    case other
  }

  private static func signatures(_ variable: Variable?) throws(EFIFault) -> [Entry] {
    guard let variable, case .signatures(let lists) = try VariableValue(of: variable) else { return [] }
    return lists.flatMap { list in
      list.signatures.map { signature in
        switch list.type {
        case SignatureList.sha256: .digest(signature.data)
        case SignatureList.x509:
          (try? X509.Certificate(derEncoded: signature.data)).map { .certificate($0) } ?? .other
        default: .other
        }
      }
    }
  }

  /// Judges a program as firmware does before it starts it: one signature that db trusts is enough.
  func verdict(on program: EFIProgram) -> ProgramVerdict {
    let digest = program.digest()
    guard !forbiddenDigests.contains(digest) else { return .refused("dbx forbids it by its digest") }
    let signatures: [[UInt8]]
    do {
      signatures = try program.signatures()
    } catch {
      return .refused(error.cause)
    }
    var verdicts: [ProgramVerdict] = []
    for signature in signatures {
      let verdict = verdict(on: program, signedBy: signature)
      if verdict == .trusted { return .trusted }
      verdicts.append(verdict)
    }
    guard !allowedDigests.contains(digest) else { return .trusted }
    let undecided = verdicts.first { if case .undecided = $0 { true } else { false } }
    return undecided ?? verdicts.first ?? .unsigned
  }

  private func verdict(on program: EFIProgram, signedBy bytes: [UInt8]) -> ProgramVerdict {
    let signature: ProgramSignature
    do {
      signature = try ProgramSignature(bytes)
    } catch {
      return .undecided((error as? Fault)?.cause ?? "its signature cannot be read: \(error)")
    }
    guard signature.digest == signature.algorithm.digest(of: program) else {
      return .refused("it was changed after it was signed")
    }
    guard let signer = signature.signerCertificate() else {
      return signature.hasOtherCertificates
        ? .undecided("its signature has a certificate that is not understood here")
        : .refused("no certificate in its signature has the key that signed it")
    }
    let chain = issuers(of: signer, among: signature.certificates)
    guard forbidden.isDisjoint(with: chain) else {
      return .refused("it is signed by '\(printable(signer.subject.description))', which dbx forbids")
    }
    guard chain.contains(where: allowed.contains) else {
      let reason =
        "it is signed by '\(printable(signer.subject.description))', and db has neither that certificate nor one "
        + "whose key has signed that certificate"
      return hasOthers || signature.hasOtherCertificates ? .undecided(reason) : .refused(reason)
    }
    return .trusted
  }

  /// A certificate, and all whose keys have signed it, one behind the other.
  private func issuers(
    of certificate: X509.Certificate, among others: [X509.Certificate]
  ) -> Set<X509.Certificate> {
    var found: Set = [certificate]
    var open = [certificate]
    while let next = open.popLast() {
      for candidate in allowed + others where !found.contains(candidate) && next.isIssued(by: candidate) {
        found.insert(candidate)
        open.append(candidate)
      }
    }
    return found
  }
}

extension X509.Certificate {
  /// Whether another certificate has the name of this one's issuer, and the key that signed this one.
  func isIssued(by other: X509.Certificate) -> Bool {
    other.subject == issuer && other.publicKey.isValidSignature(signature, for: self)
  }
}

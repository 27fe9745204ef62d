internal import Command
package import SystemPackage

/// A certificate that openssl makes, in both forms, and its private key.
package struct TestCertificate: Sendable {
  package let pem: FilePath
  package let der: FilePath
  package let key: FilePath

  /// - Parameters:
  ///   - subject: the name in the certificate; nil for the files' name.
  ///   - algorithm: what `openssl req` is told of the key.
  ///   - issuer: whose key signs it; nil for its own.
  package init(
    _ name: String, in folder: FilePath, subject: String? = nil,
    algorithm: [String] = ["-newkey", "rsa:2048"], issuer: TestCertificate? = nil
  ) async throws {
    pem = folder.appending("\(name).pem")
    der = folder.appending("\(name).der")
    key = folder.appending("\(name).key")
    let request =
      ["req", "-new", "-x509", "-nodes", "-days", "36500", "-subj", "/CN=\(subject ?? name)/"] + algorithm
      + (issuer.map { ["-CA", $0.pem.string, "-CAkey", $0.key.string] } ?? []) + [
        "-keyout", key.string, "-out", pem.string,
      ]
    try await SubprocessRunner().run(Command("openssl", request))
    try await SubprocessRunner().run(
      "openssl", "x509", "-in", pem.string, "-outform", "DER", "-out", der.string)
  }
}

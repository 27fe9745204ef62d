internal import Command
package import SystemPackage

/// A self-signed certificate that openssl makes, in both forms, and its private key.
package struct TestCertificate: Sendable {
  package let pem: FilePath
  package let der: FilePath
  package let key: FilePath

  /// - Parameter algorithm: what `openssl req` is told of the key.
  package init(_ name: String, in folder: FilePath, algorithm: [String] = ["-newkey", "rsa:2048"])
    async throws
  {
    pem = folder.appending("\(name).pem")
    der = folder.appending("\(name).der")
    key = folder.appending("\(name).key")
    let request =
      ["req", "-new", "-x509", "-nodes", "-days", "36500", "-subj", "/CN=\(name)/"] + algorithm
      + ["-keyout", key.string, "-out", pem.string]
    try await SubprocessRunner().run(Command("openssl", request))
    try await SubprocessRunner().run(
      "openssl", "x509", "-in", pem.string, "-outform", "DER", "-out", der.string)
  }
}

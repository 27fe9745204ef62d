internal import Command
internal import Foundation
package import SystemPackage

/// OpenSSH's server on the loopback interface, run by an ordinary user, who is let in with a key that is made for him.
///
/// His entries in the user database are the server's own: on Debian he has no shell to run a command with.
package struct SSHServer: Sendable {
  private let home: FilePath
  private let port: Int

  /// Makes keys and settings in `home`, which does not exist yet.
  ///
  /// - Parameter environment: what commands find in their environment.
  package init(home: FilePath, environment: [String: String]) async throws {
    self.home = home
    // Below the ports that the kernel gives to connections.
    port = Int.random(in: 20_000..<32_000)
    try FileManager.default.createDirectory(atPath: home.string, withIntermediateDirectories: true)
    let runner = SubprocessRunner()
    for name in ["host", "key"] {
      try await runner.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home.appending(name).string)
    }
    let hostKey = try String(contentsOfFile: home.appending("host.pub").string, encoding: .utf8)
    try write("[127.0.0.1]:\(port) \(hostKey)", to: "known-hosts")
    try write(
      """
      ListenAddress 127.0.0.1
      Port \(port)
      HostKey \(home)/host
      AuthorizedKeysFile \(home)/key.pub
      PidFile none
      StrictModes no
      UsePAM no
      PasswordAuthentication no
      KbdInteractiveAuthentication no
      SetEnv \(environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: " "))

      """, to: "sshd_config")
    let users = try String(contentsOfFile: "/etc/passwd", encoding: .utf8)
    try write(users.replacing(/(?m)^nobody:.*$/, with: "nobody:x:65534:65534::\(home):/bin/sh"), to: "passwd")
    try write("nobody:NP:19000:0:99999:7:::\n", to: "shadow")
    try await runner.run("chown", "-R", "65534:65534", home.string)
  }

  private func write(_ text: String, to name: String) throws {
    try text.write(toFile: home.appending(name).string, atomically: true, encoding: .utf8)
  }

  /// The private key of the user who is let in.
  package var key: FilePath { home.appending("key") }

  /// Options of `ssh` for `127.0.0.1`.
  package var options: String {
    "-p \(port) -F none -o UserKnownHostsFile=\(home)/known-hosts -o BatchMode=yes"
  }

  /// Runs `body` while the server runs.
  package func serve(_ body: @escaping @Sendable () async throws -> Void) async throws {
    let script = """
      mount --make-rprivate /
      for file in passwd shadow; do mount --bind '\(home)'/$file /etc/$file; done
      exec \(OrdinaryUser.wrapper.joined(separator: " ")) /usr/sbin/sshd -D -e -f '\(home)/sshd_config'
      """
    try await withThrowingTaskGroup(of: Void.self) { group in
      // Without an end of its own; cancelling kills it.
      group.addTask { try await SubprocessRunner().run("unshare", "-m", "sh", "-euc", script) }
      group.addTask {
        while try await !isReachable() { try await Task.sleep(for: .milliseconds(50)) }
        try await body()
      }
      defer { group.cancelAll() }
      _ = try await group.next()
    }
  }

  private func isReachable() async throws -> Bool {
    let keys = try await SubprocessRunner().run("sh", "-c", "ssh-keyscan -p \(port) 127.0.0.1 2>&1 || :")
    return keys.contains("ssh-ed25519")
  }
}

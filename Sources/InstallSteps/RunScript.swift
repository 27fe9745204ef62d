internal import AgentProtocol
internal import Basics
internal import Command
internal import Glibc

extension StepContext {
  /// Runs the script in a chroot that is prepared, by the target's own shell, which ends it at the first command that
  /// fails.
  func runScript(_ script: String, in chroot: Chroot) async throws {
    let shell = "/bin/sh"
    // In memory, and root's alone: a script may have something in it that others must not read.
    let place = "\(Chroot.home)/post-install"
    guard chroot.has(shell) else {
      throw StepFailure(
        message: "postInstall cannot run: the system has no \(shell) after its activation")
    }
    let file = chroot.root + place
    try Files.write(script, to: file, mode: 0o600)
    do {
      try await run(chroot.command(shell, ["-e", place]))
    } catch let failure as CommandFailure {
      throw StepFailure(message: "postInstall failed: \(failure.summary)", from: failure)
    }
    try Files.removeFile(file)
  }
}

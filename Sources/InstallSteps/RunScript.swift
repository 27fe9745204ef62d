internal import AgentProtocol
internal import Basics
internal import Command
internal import Glibc

extension RunScript {
  private static let shell = "/bin/sh"
  /// In memory, and root's alone: a script may have something in it that others must not read.
  private static let place = "\(Chroot.home)/post-install"

  /// Runs the script in the chroot, by the target's own shell, which ends it at the first command that fails.
  func run(in context: StepContext) async throws {
    let chroot = Chroot(root: context.root, system: system)
    try await onThread { try chroot.prepare() }
    try await run(in: chroot, context)
  }

  /// Runs it in a chroot that is prepared.
  func run(in chroot: Chroot, _ context: StepContext) async throws {
    guard chroot.has(Self.shell) else {
      throw StepFailure(
        message: "postInstall cannot run: the system has no \(Self.shell) after its activation")
    }
    let file = chroot.root + Self.place
    try Files.write(script, to: file, mode: 0o600)
    do {
      try await context.run(chroot.command(Self.shell, ["-e", Self.place]))
    } catch let failure as CommandFailure {
      throw StepFailure(message: "postInstall failed: \(failure.summary)", from: failure)
    }
    try Files.removeFile(file)
  }
}

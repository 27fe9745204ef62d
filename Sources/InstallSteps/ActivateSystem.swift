internal import AgentProtocol
internal import Basics
internal import Command

extension StepContext {
  /// Runs the system's activation, then its tmpfiles, in a chroot that is prepared.
  ///
  /// A failure of either is a warning: nixos-enter passes over it too, because parts of activation can fail
  /// where systemd does not run, and the system activates itself again when it boots.
  func activate(in chroot: Chroot) async throws {
    let system = chroot.system
    guard chroot.has("\(system)/activate") else {
      throw StepFailure(message: "\(system) is not a NixOS system: it has no 'activate'")
    }
    try await attempt("activation", chroot.command("\(system)/activate"))
    let tmpfiles = "\(system)/sw/bin/systemd-tmpfiles"
    guard chroot.has(tmpfiles) else { return }
    try await attempt("systemd-tmpfiles", chroot.command(tmpfiles, ["--create", "--remove", "-E"]))
  }

  private func attempt(_ what: String, _ command: Command) async throws {
    do {
      try await run(command)
    } catch let failure as CommandFailure {
      let explained = await explained(
        StepFailure(
          message: "\(what) failed; the system will do it again at boot: \(failure.summary)", from: failure))
      // A warning is one line; all of the output is in the log.
      let parts = [explained.message] + explained.output.suffix(5) + [explained.remedy].compactMap(\.self)
      emit(.warning(parts.joined(separator: " | ")))
    }
  }
}

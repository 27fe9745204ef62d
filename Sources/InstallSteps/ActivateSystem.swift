internal import AgentProtocol
internal import Command

extension ActivateSystem {
  /// Runs the system's activation, then its tmpfiles, in the chroot.
  ///
  /// A failure of either is a warning: nixos-enter passes over it too, because parts of activation can fail
  /// where systemd does not run, and the system activates itself again when it boots.
  func run(in context: StepContext) async throws {
    let chroot = Chroot(root: context.root, system: system)
    let tmpfiles = "\(system)/sw/bin/systemd-tmpfiles"
    let (canActivate, hasTmpfiles) = try await onThread {
      try chroot.prepare()
      return (chroot.has("\(system)/activate"), chroot.has(tmpfiles))
    }
    guard canActivate else {
      throw StepFailure(message: "\(system) is no NixOS system: it has no 'activate'")
    }
    try await warn("activation", in: context) {
      _ = try await context.run(chroot.command("\(system)/activate"))
    }
    guard hasTmpfiles else { return }
    try await warn("systemd-tmpfiles", in: context) {
      try await context.run(chroot.command(tmpfiles, ["--create", "--remove", "-E"]))
    }
  }

  private func warn(_ what: String, in context: StepContext, _ body: () async throws -> Void) async throws {
    do {
      try await body()
    } catch let failure as CommandFailure {
      context.emit(.warning("\(what) failed; the system will do it again at boot: \(failure)"))
    }
  }
}

internal import AgentProtocol
internal import Basics
internal import Command

extension SetOwners {
  /// Changes the owners in the chroot, where names are those of the target's own passwd and group.
  func run(in context: StepContext) async throws {
    let chroot = Chroot(root: context.root, system: system)
    try await onThread { try chroot.prepare() }
    try await setOwners(in: chroot, context)
  }

  /// Changes them in a chroot that is prepared.
  func setOwners(in chroot: Chroot, _ context: StepContext) async throws {
    for owned in paths {
      // -h: a link is changed itself, not what it leads to.
      let arguments = ["-hR", "\(owned.user):\(owned.group)", "--", owned.path]
      do {
        try await context.run(chroot.command("\(system)/sw/bin/chown", arguments))
      } catch let failure as CommandFailure {
        throw StepFailure(
          message: "'\(owned.path)' cannot be given to \(owned.user):\(owned.group): \(failure.summary); "
            + "the system must know both names after its activation", from: failure)
      }
    }
  }
}

internal import AgentProtocol
internal import Basics
internal import Glibc
internal import SystemPackage

extension StepContext {
  /// Makes the links that `nix-env --profile /nix/var/nix/profiles/system --set` makes in an empty store,
  /// after the checks that `nixos-install` makes of its mount point.
  func setSystemProfile(_ system: String, time: Int64) async throws {
    try await onThread { try makeProfile(of: system, time: time) }
  }

  private func makeProfile(of system: String, time: Int64) throws {
    try checkMountPoint(root)
    guard Files.exists("\(system)/init", inRoot: root) else {
      throw StepFailure(
        message: "\(system) is not in the target's store, or is not a NixOS system: it has no init; "
          + "the closure that was copied does not belong to this system")
    }
    let profiles = "\(root)/nix/var/nix/profiles"
    // GRUB's menu shows the link's time, so it must not be that of the build.
    let time = timespec(tv_sec: Int(time), tv_nsec: 0)
    for (name, destination) in [("system-1-link", system), ("system", "system-1-link")] {
      let link = "\(profiles)/\(name)"
      try Files.makeLink(link, to: destination)
      try checked("set the time of \(link)") { utimensat(AT_FDCWD, link, [time, time], AT_SYMLINK_NOFOLLOW) }
    }
    try Files.makeDirectory("\(root)/etc")
    try Files.makeEmptyFile("\(root)/etc/NIXOS", mode: 0o644)
  }

  /// The root must be root's, and everybody must be able to go through it and the directories above.
  private func checkMountPoint(_ root: String) throws {
    var path = ""
    for component in root.split(separator: "/") {
      path += "/" + component
      var status = stat()
      try checked("look at \(path)") { stat(path, &status) }
      guard status.st_mode & 0o005 == 0o005 else {
        throw StepFailure(
          message: "\(path) cannot be read and entered by others: it has mode \(octal(status.st_mode))")
      }
      guard path != root || (status.st_uid == 0 && status.st_gid == 0) else {
        throw StepFailure(
          message: "the target's root \(root) belongs to \(status.st_uid):\(status.st_gid), not to root")
      }
    }
  }
}

private func octal(_ mode: mode_t) -> String {
  String(mode & 0o7777, radix: 8)
}

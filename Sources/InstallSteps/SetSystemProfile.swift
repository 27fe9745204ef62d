internal import AgentProtocol
internal import Basics
internal import Glibc
internal import SystemPackage

extension StepContext {
  /// Makes the links that `nix-env --profile PROFILE --set` makes, or `--switch-generation` for a generation that is there
  /// already, after the checks that `nixos-install` makes of its mount point.
  func setSystemProfile(_ profile: String, to system: String, generation: Int, time: Int64) async throws {
    try await onThread { try setProfile(profile, to: system, generation: generation, time: time) }
  }

  private func setProfile(_ profile: String, to system: String, generation: Int, time: Int64) throws {
    try checkMountPoint(root)
    guard Files.exists("\(system)/init", inRoot: root) else {
      throw StepFailure(
        message: "\(system) is not in the target's store, or is not a NixOS system: it has no init; "
          + "the closure that was copied does not belong to this system")
    }
    guard let slash = profile.lastIndex(of: "/") else {
      throw StepFailure(message: "'\(profile)' cannot be a profile: it is not an absolute path")
    }
    let (folder, name) = (String(profile[..<slash]), String(profile[slash...].dropFirst()))
    try Files.makeDirectories(folder, below: root)
    // GRUB's menu shows the link's time, so it must not be that of the build.
    let time = timespec(tv_sec: Int(time), tv_nsec: 0)
    let generationLink = "\(name)-\(generation)-link"
    for (name, destination) in [(generationLink, system), (name, generationLink)] {
      let link = "\(root)\(folder)/\(name)"
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

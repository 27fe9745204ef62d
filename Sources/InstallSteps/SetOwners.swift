internal import AgentProtocol
internal import Basics
internal import Command
internal import Glibc
internal import SystemPackage

extension StepContext {
  /// Where the system's own `chown` shows what it makes of names: in the chroot's memory.
  private static let ownerProbe = "/run/slipway-owner"

  /// Changes the owners of marked files to the numbers that the target's own passwd and group have for the names, in
  /// a chroot that is prepared.
  func setOwners(_ paths: [OwnedPath], in chroot: Chroot) async throws {
    for owned in paths {
      let numbers = try await numbers(of: owned, in: chroot)
      let count = try await onThread {
        let root = try OpenDirectory(root: chroot.root)
        defer { close(root.descriptor) }
        return try MarkedFiles(marker: owned.marker, user: numbers.user, group: numbers.group)
          .change(at: owned.path.split(separator: "/").map { RawPath(String($0)) }, in: root)
      }
      if count == 0 {
        emit(
          .warning("nothing of the contents at '\(owned.path)' is left: the system's activation took it away")
        )
      }
    }
  }

  /// What the system's own `chown` makes of two names.
  private func numbers(
    of owned: OwnedPath, in chroot: Chroot
  ) async throws -> (user: uid_t, group: gid_t) {
    let probe = chroot.root + Self.ownerProbe
    try await onThread { try Files.write("", to: probe, mode: 0o600) }
    let arguments = ["\(owned.user):\(owned.group)", "--", Self.ownerProbe]
    do {
      try await run(chroot.command("\(chroot.system)/sw/bin/chown", arguments))
    } catch let failure as CommandFailure {
      throw StepFailure(
        message: "'\(owned.path)' cannot be given to \(owned.user):\(owned.group): \(failure.summary); "
          + "the system must know both names after its activation", from: failure)
    }
    return try await onThread {
      var status = stat()
      try checked("look at \(probe)") { lstat(probe, &status) }
      try Files.removeFile(probe)
      return (status.st_uid, status.st_gid)
    }
  }
}

/// The files of a tree that belong to the number that marks them.
private struct MarkedFiles {
  let marker: uid_t
  let user: uid_t
  let group: gid_t

  /// Where nothing marked can be, and much else is: at the root, the store and filesystems of the kernel.
  private static let passedOver: Set<RawPath> = Set(
    ["dev", "nix", "proc", "run", "sys", "tmp"].map(RawPath.init))

  /// - Returns: how many there were at this path and in it; 0 where there is none.
  func change(at names: [RawPath], in root: OpenDirectory) throws -> Int {
    guard let last = names.last else { return try change(in: root, without: Self.passedOver) }
    var folder = root
    defer { if folder.descriptor != root.descriptor { close(folder.descriptor) } }
    do {
      for name in names.dropLast() {
        let next = try folder.openDirectory(name)
        if folder.descriptor != root.descriptor { close(folder.descriptor) }
        folder = next
      }
      return try change(last, in: folder)
    } catch let failure as SystemFailure
      where [.noSuchFileOrDirectory, .notDirectory, .tooManySymbolicLinkLevels].contains(failure.errno)
    {
      return 0
    }
  }

  private func change(in folder: OpenDirectory, without leftOut: Set<RawPath> = []) throws -> Int {
    var count = 0
    for name in try folder.sortedNames() where !leftOut.contains(name) {
      count += try change(name, in: folder)
    }
    return count
  }

  private func change(_ name: RawPath, in folder: OpenDirectory) throws -> Int {
    let status = try folder.status(of: name)
    var count = 0
    if status.st_uid == marker {
      try folder.setOwner(of: name, user: user, group: group, keepingModeOf: status)
      count = 1
    }
    guard status.st_mode & S_IFMT == S_IFDIR else { return count }
    let inner = try folder.openDirectory(name)
    defer { close(inner.descriptor) }
    return try count + change(in: inner)
  }
}

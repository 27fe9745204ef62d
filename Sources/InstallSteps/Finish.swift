internal import AgentProtocol
internal import Basics
internal import CLinux
internal import Glibc
internal import ImageModel
internal import SystemPackage

extension StepContext {
  /// Removes what every machine must have of its own, unmounts everything, and flushes the disk.
  func finish(disk: BlockDevice, kept: [String]) async throws {
    try await onThread {
      let node = try devices.device(disk).node
      try unmount(endInstallation(kept: kept), of: node)
    }
  }

  /// Removes files that machines must not share, unmounts everything, and flushes the disk.
  func unmount(disk: BlockDevice, removed: [String]) async throws {
    try await onThread {
      let node = try devices.device(disk).node
      try endProcesses(inRoot: root)
      for path in removed where Files.isRegularFile(root + path) {
        try Files.removeFile(root + path)
        emit(.log("\(path): removed, as every machine makes its own"))
      }
      try unmount(Mounts.places(atAndBelow: root), of: node)
    }
  }

  /// Writes back everything that is mounted.
  func writeBackAll() async throws {
    try await onThread { for place in try Mounts.places(atAndBelow: root) { try writeBack(place) } }
  }

  private func unmount(_ places: [String], of node: String) throws {
    try writeBack(root)
    for place in places.reversed() { try unmountOrExplain(place) }
    try flush(node)
  }

  /// Ends what still runs in the target, and removes what machines must not share.
  ///
  /// - Returns: what is mounted at and below the target's root, in that order.
  func endInstallation(kept: [String]) throws -> [String] {
    try endProcesses(inRoot: root)
    let places = try Mounts.places(atAndBelow: root)
    for place in places {
      try removeMachineState(below: place, except: kept.map { root + $0 }) { path, isKept in
        let name = path.dropFirst(root.count)
        emit(
          isKept
            ? .warning("every machine made from this image will have the \(name) of its contents")
            : .log("\(name): removed, as every machine makes its own"))
      }
    }
    warnOfHostKeys(below: root, emit: emit)
    return places
  }
}

/// - Parameters:
///   - kept: paths that stay.
///   - found: told each file that is there, and whether it stays.
func removeMachineState(
  below directory: String, except kept: [String] = [], found: (String, Bool) -> Void = { _, _ in }
) throws {
  for path in InstallStep.machineState.map({ "\(directory)/\($0)" }) {
    // A link is the system's own configuration, as of environment.etc.
    guard Files.isRegularFile(path) else { continue }
    let isKept = kept.contains(path)
    if !isKept { try Files.removeFile(path) }
    found(path, isKept)
  }
}

/// Host keys by other names than the usual ones are not removed: somebody has chosen the name.
private func warnOfHostKeys(below root: String, emit: (Event) -> Void) {
  let names = (try? Files.names(in: "\(root)/etc/ssh")) ?? []
  for name in names
  where name.hasPrefix("ssh_host_") && name.hasSuffix("_key")
    && !InstallStep.machineState.contains("etc/ssh/\(name)")
  {
    emit(.warning("every machine made from this image will have the private key /etc/ssh/\(name)"))
  }
}

/// Ends what still runs in the chroot, such as a gpg-agent; a mount with a process in it cannot be unmounted.
func endProcesses(inRoot root: String) throws {
  for _ in 0..<500 {
    let processes = try Files.names(in: "/proc").compactMap(pid_t.init).filter { isProcess($0, inRoot: root) }
    guard !processes.isEmpty else { return }
    for process in processes { kill(process, SIGKILL) }
    usleep(10_000)
  }
  throw StepFailure(message: "processes in \(root) do not end although they were killed")
}

private func isProcess(_ process: pid_t, inRoot root: String) -> Bool {
  var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
  // A process that has ended meanwhile, and a thread of the kernel, have no root.
  guard readlink("/proc/\(process)/root", &buffer, buffer.count - 1) > 0 else { return false }
  let processRoot = buffer.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
  return processRoot == root || processRoot.hasPrefix(root + "/")
}

/// Writes a filesystem back. umount(2) tells of no error that happens then; syncfs(2) does.
func writeBack(_ root: String) throws {
  let directory = try Files.open(root, O_RDONLY | O_DIRECTORY)
  defer { close(directory) }
  try checked("write \(root) back to its disk") { slipway_syncfs(directory) }
}

private func unmountOrExplain(_ place: String) throws {
  do {
    try Mounts.unmount(place)
  } catch {
    guard error.errno == .resourceBusy else { throw error }
    throw StepFailure(message: "\(error); something still has a file open there")
  }
}

/// Makes the disk write its own cache, and reports errors of earlier writes.
private func flush(_ node: String) throws {
  let disk = try Files.open(node, O_RDONLY)
  defer { close(disk) }
  try checked("flush \(node)") { fsync(disk) }
}

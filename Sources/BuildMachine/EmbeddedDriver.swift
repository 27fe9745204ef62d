internal import Basics
internal import Foundation
internal import Libvirt
internal import SystemPackage

/// libvirt's QEMU driver in this process.
enum EmbeddedDriver {
  static func uri(root: FilePath) -> String {
    // The characters that a URI's query takes as they are; the root is below /tmp, so this is all of it.
    "qemu:///embed?root=\(root)"
  }

  /// Makes the driver's root folder. Has to precede the first connection.
  static func prepare(root: FilePath) throws {
    try makePrivateFolder(root)
    try makePrivateFolder(root.appending("etc"))
    try writeFile(root.appending("etc").appending("qemu.conf"), configuration(isRoot: geteuid() == 0))
    if let cache = cacheFolder() {
      try FileManager.default.createSymbolicLink(
        atPath: root.appending("cache").string, withDestinationPath: cache)
    } else {
      // libvirt keeps some of its state in the user's folders whatever its root, and does not start without them.
      XDGFolders.giveRuntimeFolder(root.string)
    }
    EmbeddedReaper.start()
  }

  /// Lets QEMU start programs, as its window does; libvirt's filter of system calls ends it then. The domain has to bring the
  /// rest of that filter. Has to precede the first connection of this process.
  static func allowPrograms(root: FilePath) throws {
    let settings = configuration(isRoot: geteuid() == 0) + "seccomp_sandbox = 0\n"
    try writeFile(root.appending("etc").appending("qemu.conf"), settings)
  }

  /// The driver's settings.
  ///
  /// Without `stdio_handler` it wants the daemon virtlogd. As root it would run QEMU as another user, change the
  /// owner of every disk, and isolate QEMU with the host's cgroups and security modules; as an ordinary user it
  /// refuses to start when `user` or `group` is set.
  static func configuration(isRoot: Bool) -> String {
    var lines = [
      "stdio_handler = \"file\"", "security_driver = \"none\"", "namespaces = []", "cgroup_controllers = []",
    ]
    if isRoot {
      lines += ["user = \"+0\"", "group = \"+0\"", "dynamic_ownership = 0", "remember_owner = 0"]
    }
    return lines.map { $0 + "\n" }.joined()
  }

  /// Where the driver keeps what it has found out about QEMU, which takes it seconds.
  ///
  /// - Returns: nil when there is no place that lasts; the driver then uses its root.
  private static func cacheFolder() -> String? {
    guard let folder = XDGFolders.current.cache.map({ "\($0)/slipway/libvirt" }) else { return nil }
    try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    return access(folder, W_OK) == 0 ? folder : nil
  }

  /// Kills the QEMU of a session, which may not be libvirt's yet.
  static func killHypervisor(of session: MachineSession, in folder: ProcessFolder) {
    kill(pidFile: folder.driverRoot.appending("run/qemu/\(session.name).pid"), of: folder)
  }

  /// Kills every QEMU that libvirt has started to ask what it can do.
  static func killProbes(in folder: ProcessFolder) {
    let probes = folder.driverRoot.appending("lib/qemu")
    for name in (try? FileManager.default.contentsOfDirectory(atPath: probes.string)) ?? []
    where name.hasPrefix("qmp-") {
      kill(pidFile: probes.appending(name).appending("qmp.pid"), of: folder)
    }
  }

  private static func kill(pidFile: FilePath, of folder: ProcessFolder) {
    guard let text = try? String(contentsOfFile: pidFile.string, encoding: .utf8),
      let process = Int32(text.trimmingCharacters(in: .whitespacesAndNewlines)), process > 1,
      // The number may be in use again; ours is the one whose arguments name this folder.
      let arguments = FileManager.default.contents(atPath: "/proc/\(process)/cmdline"),
      arguments.firstRange(of: Data("\(folder.path)/".utf8)) != nil
    else { return }
    Foundation.kill(process, SIGKILL)
  }

  /// Adds what is known about libvirt's refusals.
  static func remedy(for error: LibvirtError) -> String? {
    if error.message.contains("libvirt-qemu") {
      return
        "As root, Debian's libvirt needs its user: adduser --system --group --no-create-home libvirt-qemu"
    }
    if error.message.contains("Cannot find 'qemu") || error.message.contains("Cannot check QEMU binary") {
      return "Install QEMU (Debian: qemu-system-x86); slipway doctor tells what is missing"
    }
    if error.message.contains("no connection driver available") {
      return "Install libvirt's QEMU driver (Debian: libvirt-daemon-driver-qemu)"
    }
    return nil
  }
}

internal import CLinux
internal import Glibc
internal import InstallSteps
internal import SystemPackage

/// Loads kernel modules straight by finit_module(2): `modprobe` costs a process for each, which is what takes
/// the time under emulation.
enum KernelModules {
  /// Loads the files named in `list`, one path a line, in that order. What cannot be loaded is said on the
  /// console, and to the host once there is a way to it: the boot goes on as far as it can.
  static func loadListed(in list: String) {
    do {
      for path in try Files.text(of: list).split(separator: "\n") { load(String(path)) }
    } catch {
      Console.note("\(error)")
    }
  }

  private static func load(_ path: String) {
    do throws(SystemFailure) {
      let file = try checked("open the kernel module \(path)") { open(path, O_RDONLY | O_CLOEXEC) }
      defer { close(file) }
      try checked("load the kernel module \(path)") { slipway_finit_module(file, "") }
    } catch {
      // Loaded already, by the kernel itself; or for what this machine does not have, as efivarfs with a BIOS.
      guard error.errno != .fileExists, error.errno.rawValue != ENODEV else { return }
      Console.note("\(error)")
    }
  }
}

internal import CLinux
internal import Glibc
internal import InstallSteps

/// The guest's console, which the host keeps as a file.
enum Console {
  /// Writes a line to standard error, which the kernel has opened on the console.
  static func say(_ text: String) {
    let line = Array("slipway-agent: \(text)\n".utf8)
    _ = write(STDERR_FILENO, line, line.count)
  }

  /// Says what went wrong while the guest starts, and keeps it for the host.
  static func note(_ fault: String) {
    say(fault)
    BootFaults.note(fault)
  }

  /// Ends the guest, for the reason given, if any.
  ///
  /// Nothing is written back: whoever has work worth keeping has flushed it in the last step, and after a
  /// failure the disks are thrown away. A sync could hang on a host that is gone.
  static func powerOff(because reason: String? = nil) -> Never {
    if let reason { say("fatal: \(reason)") }
    _ = reboot(RB_POWER_OFF)
    say("fatal: cannot power off: \(String(cString: strerror(errno)))")
    exit(1)
  }
}

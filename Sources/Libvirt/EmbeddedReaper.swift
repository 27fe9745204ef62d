internal import Basics
internal import CLibvirt
internal import Foundation

/// Buries the hypervisors of the embedded driver as soon as they die.
///
/// The driver starts each hypervisor as a daemon, a child of process 1, and after killing it asks every 200 ms
/// whether its pid is gone. A dead process keeps its pid until its parent waits for it. Some container's process
/// 1 does that late (measured: 1.5 s for each domain, 8 s for the driver's first look at QEMU's abilities) or
/// never, and then the driver fails. So this process adopts them and waits for them itself.
///
/// Adopting them means adopting every orphan below this process. One that nobody waits for stays the first dead
/// child for ever, and hides all others from whoever asks for any child; it is buried after a while.
package enum EmbeddedReaper {
  /// How long a dead child may wait for whoever started it, in turns of the thread: twenty seconds. On
  /// a busy machine five were too few for one that somebody did wait for.
  private static let patience = 1000

  /// Starts a thread that waits for orphans, for ever.
  package static func start() {
    guard slipway_adopt_orphans() == 0 else { return }
    // Without one orphans are process 1's, as they are where they cannot be adopted.
    try? startThread {
      var waiting: (pid: pid_t, turns: Int) = (0, 0)
      while true {
        usleep(20_000)
        while let pid = deadChild() {
          waiting = pid == waiting.pid ? (pid, waiting.turns + 1) : (pid, 0)
          guard isHypervisor(pid) || waiting.turns > patience else { break }
          _ = waitpid(pid, nil, 0)
        }
      }
    }
  }

  /// One of this process's dead children; it stays one.
  private static func deadChild() -> pid_t? {
    var info = siginfo_t()
    guard waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 else { return nil }
    let pid = info._sifields._sigchld.si_pid
    return pid == 0 ? nil : pid
  }

  /// Whether a dead process is a hypervisor that the driver made a daemon: in another session than ours, where
  /// a command of our own would be.
  private static func isHypervisor(_ pid: pid_t) -> Bool {
    guard getsid(pid) != getsid(0),
      let name = try? String(contentsOfFile: "/proc/\(pid)/comm", encoding: .utf8)
    else { return false }
    return name.hasPrefix("qemu")
  }
}

internal import CLibvirt
internal import Foundation

/// Buries the hypervisors of the embedded driver as soon as they die.
///
/// The driver starts each hypervisor as a daemon, a child of process 1, and after killing it asks every 200 ms
/// whether its pid is gone. A dead process keeps its pid until its parent waits for it. Some container's process
/// 1 does that late (measured: 1.5 s for each domain, 8 s for the driver's first look at QEMU's abilities) or
/// never, and then the driver fails. So this process adopts them and waits for them itself.
package enum EmbeddedReaper {
  /// Starts a thread that waits for the hypervisors of the embedded driver with this root, for ever.
  ///
  /// Children of other origin are left to whoever waits for them: only pids in the driver's own files count.
  package static func start(root: String) {
    guard slipway_adopt_orphans() == 0 else { return }
    Thread.detachNewThread { @Sendable in
      while true {
        usleep(20_000)
        for pid in pids(root: root) { _ = waitpid(pid, nil, WNOHANG) }
      }
    }
  }

  /// The pids in the files that the driver keeps for domains and for its looks at QEMU's abilities.
  static func pids(root: String) -> [pid_t] {
    let domains = "\(root)/run/qemu"
    let library = "\(root)/lib/qemu"
    let files =
      names(in: domains).filter { $0.hasSuffix(".pid") }.map { "\(domains)/\($0)" }
      + names(in: library).filter { $0.hasPrefix("qmp-") }.map { "\(library)/\($0)/qmp.pid" }
    return files.compactMap { file in
      guard let text = try? String(contentsOfFile: file, encoding: .utf8) else { return nil }
      return pid_t(text.trimmingCharacters(in: .whitespacesAndNewlines)).flatMap { $0 > 1 ? $0 : nil }
    }
  }

  private static func names(in folder: String) -> [String] {
    (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
  }
}

internal import CLinux
internal import Glibc
internal import InstallSteps

/// The first process: makes the kernel's interfaces reachable, starts the agent, reaps, and outlives the
/// agent to tell the host of its death.
enum FirstProcess {
  static let agentArgument = "--agent"

  static func run() -> Never {
    umask(0o022)
    // The host shows how far the boot is.
    Console.say("started")
    mountKernelInterfaces()
    KernelModules.loadListed(in: "/etc/modules-to-load")
    mountEFIVariables()
    guard let agent = startAgent() else {
      Console.powerOff(because: "the agent could not be started: \(String(cString: strerror(errno)))")
    }
    while true {
      var status: Int32 = 0
      let ended = waitpid(-1, &status, 0)
      if ended == agent { Console.powerOff(because: ending(status)) }
      if ended == -1, errno != EINTR { Console.powerOff(because: "the agent is gone") }
    }
  }

  private static func mountKernelInterfaces() {
    mount("proc", "/proc", [.noSetUID, .noDevices, .noExecute])
    mount("sysfs", "/sys", [.noSetUID, .noDevices, .noExecute])
    mount("devtmpfs", "/dev", .noSetUID)
    mount("tmpfs", "/run", [.noSetUID, .noDevices], "mode=0755")
    mount("tmpfs", "/tmp", [.noSetUID, .noDevices], "mode=1777")
    mount("devpts", "/dev/pts", [.noSetUID, .noExecute], "mode=0620,ptmxmode=0666,gid=3")
    mount("tmpfs", "/dev/shm", [.noSetUID, .noDevices], "mode=1777")
    // devtmpfs does not make these; bash needs the first for <(…).
    for (name, destination) in [("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")] {
      symlink("/proc/self/\(destination)", "/dev/\(name)")
    }
  }

  private static func mountEFIVariables() {
    guard access("/sys/firmware/efi/efivars", F_OK) == 0 else { return }
    mount("efivarfs", "/sys/firmware/efi/efivars", [.noSetUID, .noDevices, .noExecute])
  }

  private static func mount(_ type: String, _ place: String, _ options: Mounts.Options, _ data: String = "") {
    mkdir(place, 0o755)
    do {
      try Mounts.mount(type, on: place, type: type, options: options, data: data)
    } catch {
      Console.note("\(error)")
    }
  }

  private static func startAgent() -> pid_t? {
    let environment = [
      "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "TERM=linux", "TZ=UTC", "LC_ALL=C",
    ]
    return ChildProcess.start("/proc/self/exe", ["slipway-agent", agentArgument], environment: environment)
  }

  private static func ending(_ status: Int32) -> String {
    let signal = status & 0x7f
    return signal == 0 ? "exited with status \(status >> 8 & 0xff)" : "killed by signal \(signal)"
  }
}

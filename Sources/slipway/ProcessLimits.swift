internal import Basics
internal import Glibc
internal import ImageBuilder

/// The limits that the shell sets (ulimit) and without which nothing works: refused by name, before anything fails in
/// another's words.
enum ProcessLimits {
  /// libvirt, QEMU's monitor, pipes of commands and the files of a pour.
  private static let leastFiles: rlim_t = 128
  /// The programs and libraries of slipway, the stacks of its threads, and QEMU, which inherits the limit.
  private static let leastAddressSpace: rlim_t = 4 << 30

  /// Raises what may be raised.
  ///
  /// - Throws: `Fault` of kind `hostNotAble` that names the limit.
  static func check() throws {
    var files = rlimit()
    if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &files) == 0, files.rlim_cur < 1024 {
      files.rlim_cur = min(1024, files.rlim_max)
      setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &files)
      guard files.rlim_cur >= leastFiles else {
        throw refusal("open files (ulimit -n)", "\(files.rlim_cur)", "\(leastFiles)", "-n \(leastFiles)")
      }
    }
    var space = rlimit()
    if getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &space) == 0, space.rlim_cur < leastAddressSpace {
      space.rlim_cur = min(leastAddressSpace, space.rlim_max)
      setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &space)
      guard space.rlim_cur >= leastAddressSpace else {
        throw refusal(
          "address space (ulimit -v)", "\(space.rlim_cur >> 20) MiB", "\(leastAddressSpace >> 20) MiB",
          "-v \(leastAddressSpace >> 10)")
      }
    }
  }

  private static func refusal(_ limit: String, _ have: String, _ need: String, _ words: String) -> Fault {
    Fault(
      .hostNotAble, "the limit of \(limit) is \(have), and slipway needs \(need)",
      remedy: "Raise it before slipway is started: ulimit \(words)")
  }
}

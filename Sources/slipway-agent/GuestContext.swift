internal import AgentProtocol
internal import Basics
internal import CLinux
internal import Glibc
internal import InstallSteps

/// How a guest takes up what its host tells it at the beginning of a session.
extension GuestContext {
  /// Makes this guest's random numbers its own.
  ///
  /// - Throws: `Fault` for too few or too many bytes, `SystemFailure`.
  func addEntropy() throws {
    guard entropy.count >= Self.entropySize else {
      throw Fault(.failed, "the host sent \(entropy.count) random bytes, and \(Self.entropySize) are needed")
    }
    let device = "/dev/urandom"
    let file = try checked("open \(device)") { open(device, O_WRONLY | O_CLOEXEC) }
    defer { close(file) }
    try checked("seed the kernel's random numbers") {
      entropy.withUnsafeBytes { slipway_add_entropy(file, $0.baseAddress, Int32(clamping: $0.count)) }
    }
  }

  /// Sets the clock a nanosecond behind the second that the host gives to what it has poured: no change of a file can have
  /// its time, by which what is unchanged is told.
  ///
  /// - Throws: `SystemFailure`.
  func setClock() throws {
    var time = timespec(tv_sec: time_t(clock), tv_nsec: 1)
    try checked("set the clock") { clock_settime(CLOCK_REALTIME, &time) }
  }
}

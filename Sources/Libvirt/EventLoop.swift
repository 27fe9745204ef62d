internal import Basics
internal import CLibvirt
internal import Foundation

/// libvirt's process-wide state: its event loop, its error function, its log.
enum EventLoop {
  /// Registers the event loop and runs it for ever on a thread of its own.
  ///
  /// It has to be registered before the first connection is opened, and it can be neither replaced nor
  /// stopped. Only the first use does anything.
  static func start() throws {
    try outcome.get()
  }

  private static let outcome: Result<Void, LibvirtError> = Result { () throws(LibvirtError) in
    // Without these two every error and warning also appears on standard error. A person who debugs sets the
    // variable: LIBVIRT_LOG_OUTPUTS=1:stderr.
    virSetErrorFunc(nil, discardError)
    setenv("LIBVIRT_LOG_OUTPUTS", "4:file:/dev/null", 0)
    _ = try LibvirtError.check(virEventRegisterDefaultImpl(), "register its event loop")
    do {
      try startThread(runForEver)
    } catch {
      throw LibvirtError(attempt: "start the thread of its event loop", code: .none, message: "\(error)")
    }
  }
}

private func discardError(_ context: UnsafeMutableRawPointer?, _ error: virErrorPtr?) {}

@Sendable private func runForEver() {
  while true {
    // A failed turn (EINTR, ENOMEM) must not end the loop, and must not make it spin.
    if virEventRunDefaultImpl() < 0 { usleep(100_000) }
  }
}

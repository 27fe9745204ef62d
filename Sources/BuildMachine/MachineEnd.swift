internal import Basics

/// How a machine ended, or why it is as good as ended.
package enum MachineEnd: Hashable, Sendable {
  /// The guest powered off or reset itself; the two look the same from outside.
  case shutDown
  /// The host destroyed it.
  case destroyed
  /// QEMU crashed or was killed.
  case crashed
  /// The guest's kernel panicked, with this line.
  case panicked(String)
  /// The guest stands still since the host could not read or write a disk of its.
  case diskFailed(DiskFault)
  /// It printed more than this many bytes on its console.
  case talkative(UInt64)
  /// It gave no sign of life within this time.
  case silent(Duration)
}

extension MachineEnd: CustomStringConvertible {
  package var description: String {
    switch self {
    case .shutDown: "the guest powered off or reset by itself"
    case .destroyed: "the machine was destroyed"
    case .crashed: "QEMU ended by itself or was killed"
    case .panicked(let line): "the guest's kernel panicked: \(line)"
    case .diskFailed(let fault): "\(fault)"
    case .talkative(let limit):
      "the guest printed more than \(limit >> 20) MiB on its console, and was ended for that"
    case .silent(let limit):
      "the guest gave no sign of life in \(limit.components.seconds) seconds: not a byte on its console"
    }
  }

  /// What a person can do about it.
  var remedy: String? {
    switch self {
    case .crashed: "The host's kernel log says who killed it, if the host ran out of memory"
    case .diskFailed(let fault): fault.remedy
    case .talkative:
      "Keep what runs in the guest from writing to /dev/\(Architecture.current.console), /dev/console or the kernel's log"
    case .silent:
      "Try --accel tcg if KVM was used; check that the firmware and the machine fit each other (slipway doctor)"
    default: nil
    }
  }
}

package import Libvirt

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
  case diskFailed(DiskError)
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
    case .diskFailed(let error): "\(error)"
    case .silent(let limit):
      "the guest gave no sign of life in \(limit.components.seconds) seconds: not a byte on its console"
    }
  }

  /// What a person can do about it.
  var remedy: String? {
    switch self {
    case .crashed: "Look for a reason in the host's kernel log; memory may have run out"
    case .diskFailed(let error) where error.reason == "enospc":
      "Make room on the filesystem of \(error.path), or work in another folder"
    case .silent:
      "Try --accel tcg if KVM was used; check that the firmware and the machine fit each other (slipway doctor)"
    default: nil
    }
  }
}

extension DiskError: CustomStringConvertible {
  package var description: String {
    let why =
      switch reason {
      case "enospc": "no space is left on its filesystem"
      case "": "the host's kernel log may say why"
      default: reason
      }
    return "the host could not read or write \(path.isEmpty ? "the guest's disk \(device)" : path): \(why)"
  }
}

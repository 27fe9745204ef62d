package import AgentProtocol
internal import Glibc

/// What went wrong while the guest started, kept for the host: its console alone would tell, and a step that fails
/// later for that reason does not know it.
package enum BootFaults {
  /// In memory, as the first process writes it and the agent reads it.
  package static let file = "/run/slipway-boot-faults"

  /// Notes a fault. What cannot be noted is on the console all the same.
  package static func note(_ fault: String, in file: String = file) {
    guard let descriptor = try? Files.open(file, O_WRONLY | O_CREAT | O_APPEND, mode: 0o600) else { return }
    defer { close(descriptor) }
    let line = Array((fault + "\n").utf8)
    _ = write(descriptor, line, line.count)
  }

  /// All that was noted, in its order.
  package static func all(in file: String = file) -> [String] {
    guard let text = try? Files.text(of: file) else { return [] }
    return text.split(separator: "\n").map(String.init)
  }
}

extension StepFailure {
  /// The failure with what went wrong before, which may be its cause.
  package func after(_ faults: [String]) -> StepFailure {
    guard let first = faults.first else { return self }
    var failure = self
    let others = faults.count > 1 ? " (and \(faults.count - 1) more)" : ""
    failure.message += "; when the guest started: \(first)\(others)"
    return failure
  }
}

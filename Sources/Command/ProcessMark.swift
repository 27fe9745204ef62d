internal import Basics

/// A variable in the environment of every command that this process starts, and of all that those start.
///
/// By it a watchdog knows whom to end when this process is gone: also what left its process group and its session.
package enum ProcessMark {
  package static let variable = "SLIPWAY_RUN"
  /// Another for each process.
  package static let value = Hexadecimal.text(UInt64.random(in: 0...UInt64.max).bigEndianBytes)

  /// The mark as it stands in an environment.
  package static let setting = "\(variable)=\(value)"
}

internal import Foundation
package import Testing

extension Trait where Self == ConditionTrait {
  /// The test boots virtual machines. `make test` runs it; a plain `swift test` shows it as skipped.
  package static var virtualMachines: Self {
    .enabled("set SLIPWAY_VM_TESTS=1 to boot virtual machines") {
      ProcessInfo.processInfo.environment["SLIPWAY_VM_TESTS"] == "1"
    }
  }

  /// The test takes many minutes. Only `make test-all` runs it.
  package static var sweep: Self {
    .enabled("set SLIPWAY_SWEEPS=1 to run sweeps") {
      ProcessInfo.processInfo.environment["SLIPWAY_SWEEPS"] == "1"
    }
  }
}

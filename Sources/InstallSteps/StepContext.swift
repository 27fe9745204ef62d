package import AgentProtocol
package import Command

/// What a step works with.
package struct StepContext: Sendable {
  /// Runs the appliance's tools.
  package var commands: any CommandRunner
  /// Where the target system's root is mounted.
  package var root: String
  /// Where block devices are found.
  package var devices: DeviceTree
  /// What this step's programs may read while they run.
  package var secrets: [SecretFile]
  /// Takes log lines, warnings and progress.
  package var emit: @Sendable (Event) -> Void

  package init(
    commands: any CommandRunner, root: String = "/mnt/target", devices: DeviceTree = DeviceTree(),
    secrets: [SecretFile] = [], emit: @escaping @Sendable (Event) -> Void
  ) {
    self.commands = commands
    self.root = root
    self.devices = devices
    self.secrets = secrets
    self.emit = emit
  }

  /// Runs a command and shows its output lines.
  ///
  /// - Throws: `CommandFailure`.
  @discardableResult
  func run(_ command: Command) async throws -> String {
    try await commands.run(command) { [emit] in emit(.log($0)) }
  }
}

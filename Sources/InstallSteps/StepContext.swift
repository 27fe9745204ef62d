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
  /// Looks at how full the target is, which is mounted there.
  package var storage: @Sendable (String) -> StorageFigures
  /// Takes log lines, warnings and progress.
  package var emit: @Sendable (Event) -> Void

  package init(
    commands: any CommandRunner, root: String = "/mnt/target", devices: DeviceTree = DeviceTree(),
    secrets: [SecretFile] = [],
    storage: @escaping @Sendable (String) -> StorageFigures = StorageFigures.look(root:),
    emit: @escaping @Sendable (Event) -> Void
  ) {
    self.commands = commands
    self.root = root
    self.devices = devices
    self.secrets = secrets
    self.storage = storage
    self.emit = emit
  }

  /// Runs a command and shows its output lines.
  ///
  /// - Throws: `CommandFailure`, with the lines that tell the cause.
  @discardableResult
  func run(_ command: Command) async throws -> String {
    try await commands.run(command) { [emit] line in emit(.log(line)) }
  }
}

internal import AgentProtocol
internal import Command
internal import Glibc
internal import InstallSteps
internal import Synchronization
internal import SystemPackage
internal import Testing

/// Writes down the commands it is asked to run, and fails those it is told to.
final class RecordingRunner: CommandRunner {
  private let commands = Mutex<[Command]>([])
  private let failing: [String: [String]]
  private let tailLines: Int

  /// - Parameters:
  ///   - failing: a word of the commands that exit with 1, and the output that they have printed.
  ///   - tailLines: how many of these lines the failure has.
  init(failing: [String: [String]] = [:], tailLines: Int = 20) {
    self.failing = failing
    self.tailLines = tailLines
  }

  var recorded: [Command] { commands.withLock { $0 } }

  func run(_ command: Command, log: @escaping @Sendable (String) -> Void) async throws -> String {
    commands.withLock { $0.append(command) }
    guard let (_, tail) = failing.first(where: { command.arguments.contains($0.key) }) else { return "" }
    tail.forEach(log)
    throw CommandFailure(command: command, reason: .exited(1), tail: tail.suffix(tailLines))
  }
}

/// Keeps the events of a step.
final class EventLog: Sendable {
  private let events = Mutex<[Event]>([])

  var all: [Event] { events.withLock { $0 } }
  var warnings: [String] {
    all.compactMap { if case .warning(let text) = $0 { text } else { nil } }
  }

  func context(
    _ runner: any CommandRunner, root: FilePath, devices: DeviceTree = DeviceTree(),
    storage: @escaping @Sendable (String) -> StorageFigures = StorageFigures.look(root:)
  ) -> StepContext {
    StepContext(commands: runner, root: root.string, devices: devices, storage: storage) { event in
      self.events.withLock { $0.append(event) }
    }
  }
}

extension Trait where Self == ConditionTrait {
  /// For what only root may do; CI runs as root.
  static var needsRoot: Self {
    .enabled(if: geteuid() == 0, "needs root, for owners and mounts")
  }
}

extension FilePath {
  /// Makes a directory here, and those above it.
  @discardableResult
  func makeDirectory() throws -> FilePath {
    if !removingLastComponent().isThere { try removingLastComponent().makeDirectory() }
    guard !isThere else { return self }
    try checked("make \(self)") { mkdir(string, 0o755) }
    return self
  }

  /// Makes a file here, and the directories above it.
  @discardableResult
  func write(_ text: String, mode: mode_t = 0o644) throws -> FilePath {
    try write(Array(text.utf8), mode: mode)
  }

  @discardableResult
  func write(_ bytes: [UInt8], mode: mode_t = 0o644) throws -> FilePath {
    try removingLastComponent().makeDirectory()
    let file = try FileDescriptor.open(
      self, .writeOnly, options: [.create, .truncate], permissions: .ownerReadWrite)
    try file.closeAfter { _ = try file.writeAll(bytes) }
    try checked("set the mode of \(self)") { chmod(string, mode) }
    return self
  }

  func link(to destination: String) throws {
    try removingLastComponent().makeDirectory()
    try checked("link \(self)") { symlink(destination, string) }
  }

  /// Whether anything is here, a dangling link too.
  var isThere: Bool {
    var status = Glibc.stat()
    return lstat(string, &status) == 0
  }

  /// What lstat(2) says.
  func status() throws -> Glibc.stat {
    var status = Glibc.stat()
    try checked("look at \(self)") { lstat(string, &status) }
    return status
  }

  func linkDestination() throws -> String {
    var buffer = [CChar](repeating: 0, count: 4096)
    let count = try checked("read the link \(self)") { readlink(string, &buffer, buffer.count) }
    return String(decoding: buffer[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
}

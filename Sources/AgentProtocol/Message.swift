/// The protocol's version and the words of its handshake.
package enum AgentProtocol {
  /// The newest version this build speaks.
  package static let version = 4
  /// The oldest version this build still speaks.
  package static let oldestVersion = 4
  /// The first word of either hello; anything else on the port is not an agent.
  package static let magic = "slipway-agent"
  /// The virtio-serial port's name; in the guest it is `/dev/virtio-ports/` and this.
  package static let portName = "org.slipway.agent.0"
  /// How often a working agent says that it is alive, in seconds.
  package static let heartbeatInterval = 2
  /// The most that a host takes of an agent in its life, in bytes and in messages. More is a fault of the agent's, or
  /// an attack.
  package static let receiveLimit = 64 << 20
  package static let messageLimit = 1 << 20
}

/// The first frame from either side.
package struct Hello: Hashable, Codable, Sendable {
  package var magic: String
  /// The range of versions the sender speaks; the newest common one is used.
  package var oldestVersion: Int
  package var version: Int
  /// Identifies the sender's build. Shown when versions do not meet.
  package var build: String

  package init(
    magic: String = AgentProtocol.magic, oldestVersion: Int = AgentProtocol.oldestVersion,
    version: Int = AgentProtocol.version, build: String
  ) {
    self.magic = magic
    self.oldestVersion = oldestVersion
    self.version = version
    self.build = build
  }
}

/// What the host sends.
package enum HostMessage: Hashable, Sendable {
  /// First, and once.
  case hello(Hello)
  /// Do one step. One request is under way at a time.
  case request(Request)
  /// Give a person a shell on the guest's second serial line; answered by a reply when the shell ends.
  case debugShell(id: Int)
  /// Power off at once. The agent answers by powering off.
  case powerOff
}

/// A numbered step.
package struct Request: Hashable, Codable, Sendable {
  package var id: Int
  package var step: InstallStep
  /// What the step needs and no plan shows; nil for most.
  package var secrets: [SecretFile]?

  package init(id: Int, step: InstallStep, secrets: [SecretFile]? = nil) {
    self.id = id
    self.step = step
    self.secrets = secrets
  }
}

/// A file that a step's programs may read while they run. It is never on a disk of the guest, and in no log.
package struct SecretFile: Hashable, Codable, Sendable {
  /// The file's name, without a folder.
  package var name: String
  /// The environment variable that tells the programs where it is.
  package var variable: String
  package var text: String

  package init(name: String, variable: String, text: String) {
    self.name = name
    self.variable = variable
    self.text = text
  }
}

extension SecretFile: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  package var description: String { name }
  package var debugDescription: String { name }
  package var customMirror: Mirror { Mirror(self, children: ["name": name]) }
}

/// What the agent sends.
package enum AgentMessage: Hashable, Sendable {
  /// Answers the host's hello.
  case hello(Hello)
  /// Ends one request.
  case reply(Reply)
  /// Something to show; any number, at any time between hello and power-off.
  case event(Event)
}

/// The end of a request: the positive token that a step is done, or why it is not.
package struct Reply: Hashable, Codable, Sendable {
  package var id: Int
  /// Nil when the step is done.
  package var failure: StepFailure?

  package init(id: Int, failure: StepFailure? = nil) {
    self.id = id
    self.failure = failure
  }
}

/// Why a step failed, as it goes over the wire; the host makes a `Fault` of it.
package struct StepFailure: Hashable, Codable, Sendable, Error {
  /// What was attempted and why it failed, in one or two sentences.
  package var message: String
  /// The command that failed, ready to paste into a shell of the guest.
  package var command: String?
  /// What of that command's output tells the cause: the lines that speak of an error, and the last ones.
  package var output: [String]
  /// What a person can do, where the cause was told apart from others; nil where it was not.
  package var remedy: String?

  package init(message: String, command: String? = nil, output: [String] = [], remedy: String? = nil) {
    self.message = message
    self.command = command
    self.remedy = remedy
    self.output = output
  }
}

/// Something to show while a request is under way.
package enum Event: Hashable, Sendable {
  /// The agent is alive, whatever its step does.
  case heartbeat
  /// A line of output of the step's command.
  case log(String)
  /// Something that went wrong and does not fail the build, as nixos-enter lets activation fail.
  case warning(String)
  /// Bytes done of a known total. What is read from a peer is bounded: see `bounded(done:total:)`.
  case progress(done: UInt64, total: UInt64)

  /// The largest total that is believed, in bytes: 1 EiB. Sums and rates of such numbers do not overflow.
  package static let progressLimit: UInt64 = 1 << 60

  /// Progress by numbers from outside: no total is above the limit, and no more is done than there is.
  package static func bounded(done: UInt64, total: UInt64) -> Event {
    let total = min(total, progressLimit)
    return .progress(done: min(done, total), total: total)
  }
}

/// The protocol's version and the words of its handshake.
package enum AgentProtocol {
  /// The newest version this build speaks.
  package static let version = 9
  /// The oldest version this build still speaks.
  package static let oldestVersion = 9
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

/// What the host sends. Its JSON is an object with one key, the case; a value without a name has the key `_0`.
package enum HostMessage: Hashable, Codable, Sendable {
  /// First: the range of versions that the host speaks, and its build for messages. The newest common version is used. Its
  /// form is the same in all versions, so that either side can tell that there is none. A guest that was saved and restored
  /// hears it again: nothing of an agent depends on its host until the session begins.
  case hello(
    magic: String = AgentProtocol.magic, oldestVersion: Int = AgentProtocol.oldestVersion,
    version: Int = AgentProtocol.version, build: String)
  /// Begin the session: answered by a reply. What a guest learns here is not in it before, so that one that was saved before
  /// serves any build.
  case begin(id: Int, session: GuestContext)
  /// Do one step, whose programs may read the secrets while they run. One request is under way at a time.
  case request(id: Int, step: InstallStep, secrets: [SecretFile] = [])
  /// Give a person a shell on the guest's second serial line; answered by a reply when the shell ends.
  case debugShell(id: Int)
  /// Power off at once. The agent answers by powering off.
  case powerOff
}

/// What a guest has of the build that it works for, beside its steps.
package struct GuestContext: Hashable, Codable, Sendable {
  /// What its clock is set to, in seconds since 1970.
  package var clock: Int64
  /// Random bytes of the host's that go into the kernel's random numbers, before anything draws from them: guests that were
  /// restored from one state must not draw the same.
  package var entropy: [UInt8]
  /// The serial numbers of the disks that it is to wait for.
  package var disks: [String]

  package init(clock: Int64, entropy: [UInt8], disks: [String]) {
    self.clock = clock
    self.entropy = entropy
    self.disks = disks
  }

  /// How much `entropy` has at least, in bytes: what the kernel's generator is seeded with.
  package static let entropySize = 32
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

/// What the agent sends. Its JSON is that of `HostMessage`'s kind.
package enum AgentMessage: Hashable, Codable, Sendable {
  /// Answers the host's hello, in the same form.
  case hello(
    magic: String = AgentProtocol.magic, oldestVersion: Int = AgentProtocol.oldestVersion,
    version: Int = AgentProtocol.version, build: String)
  /// Ends one request: without a failure, the positive token that the step is done.
  case reply(id: Int, failure: StepFailure? = nil)
  /// Something to show; any number, at any time between hello and power-off.
  case event(Event)
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
package enum Event: Hashable, Codable, Sendable {
  /// The agent is alive, whatever its step does.
  case heartbeat
  /// A line of output of the step's command.
  case log(String)
  /// Something that went wrong and does not fail the build, as nixos-enter lets activation fail.
  case warning(String)
  /// Bytes done of a known total. A peer's are not believed before they are bounded: see `bounded`.
  case progress(done: UInt64, total: UInt64)

  /// The largest total that is believed, in bytes: 1 EiB. Sums and rates of such numbers do not overflow.
  package static let progressLimit: UInt64 = 1 << 60

  /// The event, with numbers from outside bounded: no total is above the limit, and no more is done than there is.
  package var bounded: Event {
    guard case .progress(let done, let total) = self else { return self }
    let believed = min(total, Self.progressLimit)
    return .progress(done: min(done, believed), total: believed)
  }
}

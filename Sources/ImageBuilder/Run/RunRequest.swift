internal import Basics

/// A machine in which a person uses a copy of an image, as it is asked for.
public struct RunRequest: Hashable, Sendable {
  /// How the guest is seen.
  public enum View: Hashable, Sendable {
    /// Its serial console, on this process's standard input and output.
    case console
    /// A window with its screen.
    case window
    /// Its screen over VNC, on an address of this machine, without a password; a free port is libvirt's to choose.
    case vnc(ListenAddress)
  }

  /// What the guest is connected to.
  public enum Network: Hashable, Sendable {
    case none
    /// A network of its own, with this machine as its way out (QEMU's user network), and ports of this machine that lead in.
    case user([PortForward])
  }

  /// The image and the machine.
  public var boot: BootRequest
  /// What boots first.
  public var choice: BootChoice
  /// How it is seen.
  public var view: View
  /// Its network.
  public var network: Network
  /// The folder in which the copy is kept, and continued; nil to throw it away.
  public var keep: String?

  /// Describes a run.
  public init(
    _ boot: BootRequest, choice: BootChoice = .byItself, view: View = .console,
    network: Network = .user([]), keep: String? = nil
  ) {
    self.boot = boot
    self.choice = choice
    self.view = view
    self.network = network
    self.keep = keep
  }
}

/// What a run tells while it lasts.
public enum RunEvent: Hashable, Sendable {
  /// The image is copied into a folder that is kept.
  case keeping(String)
  /// The guest's console follows, on a terminal with the key that leaves it, or on a stream.
  case console(isTerminal: Bool)
  /// A window shows the guest's screen.
  case window
  /// The guest's screen can be seen at an address with a port.
  case vnc(String)
  /// The guest has reset itself, and boots again.
  case rebooted
}

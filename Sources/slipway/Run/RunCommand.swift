internal import ArgumentParser
internal import Basics
internal import ImageBuilder

/// `slipway run`
struct RunCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Use a copy of an image in a virtual machine: on this terminal, in a window, or over VNC.",
    discussion: """
      The guest's serial console is on this terminal, until the guest powers off or Ctrl-] is typed; every other key is the \
      guest's. Without a terminal standard input is typed as it comes, and its end does not end the guest. A guest that reboots \
      goes on. What it writes is thrown away, unless --keep names a folder for it. The image is not written to.
      """)

  @OptionGroup var booted: BootedImageOptions
  @OptionGroup var choice: BootChoiceOptions

  @Flag(help: "Open a window with the guest's screen, instead of its serial console.")
  var window = false

  @Flag(help: "Offer the guest's screen over VNC, instead of its serial console, and print where.")
  var vnc = false

  @Option(
    help: ArgumentHelp(
      "Address, and port from 5900 on, for --vnc, which has no password. (default: 127.0.0.1, and a free port)",
      valueName: "address[:port]"))
  var vncAddress: String?

  @Option(
    help: ArgumentHelp(
      "Keep the copy and its EFI variables in this folder, or go on with those in it; then no image is needed.",
      valueName: "dir"),
    completion: .directory)
  var keep: String?

  @Option(
    help: ArgumentHelp(
      "TCP port of this machine that leads to one of the guest's, on 127.0.0.1 or another address; may be given again.",
      valueName: "[address:]host:guest"))
  var forward: [String] = []

  @Flag(
    help:
      "Give the guest no network. (default: one of its own, from which it reaches what this machine reaches)")
  var noNetwork = false

  @OptionGroup var guest: GuestOptions

  @Option(help: "Processors.")
  var cpus = 2

  @OptionGroup var machineOptions: MachineOptions

  func validate() throws {
    guard !window || !vnc && vncAddress == nil else {
      throw ValidationError("Give --window or --vnc, not both.")
    }
    guard vnc || vncAddress == nil else { throw ValidationError("--vnc-address is for --vnc.") }
    guard !noNetwork || forward.isEmpty else {
      throw ValidationError("Without a network there are no ports to forward: leave out --no-network.")
    }
  }

  func run() async throws {
    let request = RunRequest(
      try booted.request(guest, cpus: cpus, machineOptions), choice: choice.choice, view: try view(),
      network: noNetwork ? .none : .user(try forward.map { try PortForward($0) }), keep: keep)
    try await cancellingOnSignals { try await ImageRun(request, events: Self.show).run() }
  }

  private func view() throws -> RunRequest.View {
    if window { return .window }
    guard vnc else { return .console }
    return .vnc(try vncAddress.map { try ListenAddress($0, option: "--vnc-address") } ?? .local)
  }

  @Sendable private static func show(_ event: RunEvent) {
    switch event {
    case .vnc(let address):
      // Whoever reads it may have gone; the screen is there nevertheless.
      try? DataOutput.standard.write(lines: ["vnc://\(address)"])
    case .keeping(let folder): note("copying the image to \(folder)")
    case .console(isTerminal: true): note("the guest's serial console follows; leave it with Ctrl-]")
    case .console(isTerminal: false): break
    case .window:
      note("the guest's screen is in a window; close it, or press Ctrl-C here, to end the machine")
    case .rebooted: note("the guest reboots")
    }
  }

  private static func note(_ text: String) {
    ProgressOutput.standardError.write(line: "slipway: \(text)")
  }
}

internal import Basics
internal import BuildMachine
internal import BuildPlan
internal import ImageModel
internal import SystemPackage

/// A machine in which a person uses a copy of an image. The image is never written to.
public struct ImageRun: Sendable {
  private let request: RunRequest
  private let events: @Sendable (RunEvent) -> Void

  /// Memory that no machine has, in MiB: 16 TiB.
  private static let memoryLimit: UInt64 = 16 << 20
  private static let cpus = 1...64

  /// Prepares a run; nothing is started yet.
  ///
  /// - Parameter events: is told what happens, one call at a time.
  public init(_ request: RunRequest, events: @escaping @Sendable (RunEvent) -> Void) {
    (self.request, self.events) = (request, events)
  }

  /// Starts the machine, and returns when its guest has powered off, or the person has left it; it is gone then.
  ///
  /// - Throws: `Fault`, also when the machine ends otherwise; `CancellationError`.
  public func run() async throws {
    try checkMachine()
    let screen = try await GuestScreen(request.view)
    guard let kept = try request.keep.flatMap(KeptCopy.find) else {
      return try await run(request.boot, nil, screen)
    }
    let boot = try kept.continued(request.boot)
    try await kept.alone { try await run(boot, kept, screen) }
  }

  private func run(_ boot: BootRequest, _ kept: KeptCopy?, _ screen: GuestScreen) async throws {
    try await BootSetup.with(boot, for: "run", template: DomainTemplate.run) { setup in
      try checkTemplate(setup.template)
      let start = try await setup.start(of: request.choice)
      guard let path = request.keep else {
        return try await use(try await setup.copy("run"), start, setup, screen)
      }
      if let kept {
        if let efi = setup.artefacts.efi { try kept.replaceVariables(by: efi.variables) }
        return try await use(kept.copy(of: setup), start, setup, screen)
      }
      events(.keeping(path))
      let made = try await KeptCopy.make(path, of: boot, setup)
      try await made.alone { try await use(made.copy(of: setup), start, setup, screen) }
    }
  }

  private func use(
    _ copy: ImageCopy, _ start: BootStart, _ setup: BootSetup, _ screen: GuestScreen
  ) async throws {
    try await setup.apply([(copy, start.means)])
    let end = try await withMachine(configuration(setup, copy, screen)) { try await show($0) }
    guard let end, end != .shutDown else { return }
    throw Fault(.failed, "the machine has ended: \(end)")
  }

  /// - Returns: how the machine ended; nil where the person left.
  private func show(_ machine: Machine) async throws -> MachineEnd? {
    let events = events
    switch request.view {
    case .console:
      let end = try await GuestConsole.join(
        machine, announce: { events(.console(isTerminal: RawTerminal.isThere)) },
        rebooted: { events(.rebooted) })
      guard end == .closed else { return nil }
    case .window: events(.window)
    case .vnc(let place):
      guard let port = try await machine.vncPort() else {
        throw Fault(
          .failed, "the machine has no VNC screen", remedy: "The domain needs graphics of the type vnc")
      }
      events(.vnc("\(place.address):\(port)"))
    }
    guard request.view != .console else { return try await machine.ended() }
    let watch = Task { for await _ in machine.reboots { events(.rebooted) } }
    defer { watch.cancel() }
    return try await machine.ended()
  }

  private func configuration(
    _ setup: BootSetup, _ copy: ImageCopy, _ screen: GuestScreen
  ) -> MachineConfiguration {
    let own = screen.values.merging([
      "network": request.network.argument, "cache": request.keep == nil ? "unsafe" : "writeback",
    ]) { $1 }
    // A person sees whether it lives; its console has no log.
    var configuration = MachineConfiguration(
      hypervisor: setup.machine.hypervisor, firstByteLimit: nil
    ) { session in
      try setup.domain(of: copy, session, own)
    }
    configuration.hasWindow = request.view == .window
    return configuration
  }

  private func checkMachine() throws {
    guard (1...Self.memoryLimit).contains(request.boot.memory) else {
      throw Fault(
        .badInput, "a machine cannot have \(request.boot.memory) MiB of memory",
        remedy: "Use the number of MiB: 1024 for 1 GiB")
    }
    guard Self.cpus.contains(request.boot.cpus) else {
      throw Fault(
        .badInput, "a machine cannot have \(request.boot.cpus) processors",
        remedy: "Use \(Self.cpus.lowerBound) to \(Self.cpus.upperBound)")
    }
    if case .user(let forwards) = request.network {
      // A libvirt of this machine has no host in its URI.
      let isLocal = request.boot.machine.connection?.contains(":///") ?? true
      try PortForward.check(forwards, isLocal: isLocal)
    }
  }

  /// A template of the user's may have a network or a screen of its own; what is asked for by a flag it must not lack.
  private func checkTemplate(_ template: DomainTemplate) throws {
    let wanted: [(String, Bool)] = [
      ("network", request.network.hasForwards), ("display", request.view == .window),
      ("vncAddress", request.view.isVNC),
    ]
    for (placeholder, isWanted) in wanted where isWanted && !template.names(placeholder) {
      throw Fault(
        .badInput,
        "the domain template \(template.name) has no section {{#\(placeholder)}}, and a flag asks for it",
        remedy: "See vm-templates/README.md")
    }
  }
}

extension RunRequest.Network {
  /// QEMU's `-netdev`; empty for none.
  fileprivate var argument: String {
    guard case .user(let forwards) = self else { return "" }
    return (["user", "id=slipway"] + forwards.map(\.argument)).joined(separator: ",")
  }

  fileprivate var hasForwards: Bool {
    guard case .user(let forwards) = self else { return false }
    return !forwards.isEmpty
  }
}

extension RunRequest.View {
  fileprivate var isVNC: Bool {
    guard case .vnc = self else { return false }
    return true
  }
}

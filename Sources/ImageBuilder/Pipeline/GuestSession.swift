internal import AgentProtocol
internal import Appliance
internal import Basics
internal import BuildMachine
internal import BuildPlan
internal import ImageModel
internal import Synchronization
internal import SystemPackage

/// One session with the guest that installs: from its start to its end, with every step of the plan in between.
struct GuestSession: Sendable {
  let plan: BuildPlan
  let machine: MachinePlan
  let appliance: Appliance
  let installer: Installer
  let disks: BuildDisks
  /// Nil without EFI.
  let variables: WorkVariables?
  /// What the plan's steps name as their secrets.
  let secrets: [SecretFile]
  let site: BuildSite
  /// Makes the final disk from what the guest has handed over, while it powers off; gives nil where it hands nothing over.
  let seal: @Sendable () async throws -> SealedBytes?

  /// How long firmware, kernel and agent may take. Emulated on two busy cores they take about ten seconds.
  static let bootLimit = Duration.seconds(180)
  /// How long the agent of a restored machine may take. It takes a tenth of a second.
  private static let restoreLimit = Duration.seconds(60)

  /// - Parameter pour: what the first step that reads the poured tree waits for.
  /// - Returns: what `seal` gave.
  /// - Throws: `Fault`, `CancellationError`. The machine is gone then.
  func run(pour: Task<Void, any Error>) async throws -> SealedBytes? {
    try HostFiles.makeDirectory(site.consoleLog.removingLastComponent())
    let hasDisks = installer.template.names("targetDisk")
    let installer = InstallerMachine(
      plan: machine, appliance: appliance, installer: installer, variables: variables,
      disks: hasDisks ? try disks.placeholders : [:])
    return try await checkingAppliance {
      var start = try await GuestStart.make(for: installer)
      if case .warm(let saved) = start {
        do {
          return try await run(installer, start, pour)
        } catch let failure as RestoreFailure {
          saved.discard()
          let reason = "the saved machine could not be restored: \(failure.reason)"
          guard self.installer.start == .auto else { throw GuestStart.noSavedMachine(reason) }
          site.recorder.log(.boot, "\(reason); it is removed, and the machine boots")
          start = .cold(because: reason, saving: try await installer.key())
        }
      }
      return try await run(installer, start, pour)
    }
  }

  /// - Throws: `RestoreFailure` too, as long as nothing was done in a machine that is restored.
  private func run(
    _ installer: InstallerMachine, _ start: GuestStart, _ pour: Task<Void, any Error>
  ) async throws -> SealedBytes? {
    site.recorder.start = start.report
    let configuration: MachineConfiguration =
      switch start {
      case .warm(let saved):
        installer.configuration(consoleLog: site.consoleLog, saved: saved, isShared: true)
      case .cold(_, let key): installer.configuration(consoleLog: site.consoleLog, isShared: key != nil)
      }
    return try await withMachine(configuration) { machine in
      let (agent, saving) = try await site.recorder.step(.boot, detail: { _ in start.report.text }) {
        do {
          return try await bringUp(machine, start, plugging: installer.disks.isEmpty)
        } catch let error as Fault {
          // Nothing was done in it yet: whatever is wrong with it, another machine can boot.
          if case .warm = start { throw RestoreFailure(error) }
          throw error
        }
      }
      let sealed: SealedBytes?
      do {
        sealed = try await runSteps(agent, on: machine, pour)
      } catch {
        await saving?.cancel()
        throw error
      }
      await saving?.finish()
      return sealed
    }
  }

  /// Reaches the agent, and gives its guest what it has of this build alone.
  private func bringUp(
    _ machine: Machine, _ start: GuestStart, plugging: Bool
  ) async throws -> (AgentClient, MachineSaving?) {
    let agent = try await greet(machine, start)
    var saving: MachineSaving?
    if case .cold(_, let key?) = start {
      saving = try await MachineSaving.start(machine, as: key, of: self.machine, in: .ofUser()) {
        site.recorder.log(.boot, $0)
      }
    }
    do {
      let devices = plugging ? try disks.devices : []
      let template = try DomainTemplate.disk()
      for device in devices {
        try await machine.plug(
          try template.render(device.placeholders), name: "the \(device.role.rawValue) disk")
      }
      let entropy = (0..<GuestContext.entropySize).map { _ in UInt8.random(in: .min ... .max) }
      let context = GuestContext(
        clock: self.machine.clock, entropy: entropy, disks: plan.disks.map(\.serial))
      try await agent.begin(context) { event in
        if case .warning(let text) = event { site.recorder.warn(text) }
      }
    } catch {
      await saving?.cancel()
      throw error
    }
    return (agent, saving)
  }

  private func greet(_ machine: Machine, _ start: GuestStart) async throws -> AgentClient {
    guard case .warm = start else {
      return try await BootWatch(console: machine.console, step: .boot, recorder: site.recorder) {
        BootPhase(console: $0.lastLines).rawValue
      }.during { try await machine.connectAgent(build: SlipwayVersion.named, within: Self.bootLimit) }
    }
    return try await machine.connectAgent(build: SlipwayVersion.named, within: Self.restoreLimit)
  }

  private func runSteps(
    _ agent: AgentClient, on machine: Machine, _ pour: Task<Void, any Error>
  ) async throws -> SealedBytes? {
    for planned in plan.steps {
      if needsPour(planned.step) { try await pour.value }
      try await perform(planned, agent, machine)
    }
    async let sealed = seal()
    try await site.recorder.step(.powerOff) { try await machine.powerOff(agent) }
    return try await sealed
  }

  /// Whatever goes wrong in the guest, a damaged appliance is the first suspect. It is read in full only then.
  private func checkingAppliance<Result>(_ body: () async throws -> Result) async throws -> Result {
    do {
      return try await body()
    } catch var error as Fault {
      guard appliance.removeIfDamaged() else { throw error }
      error.evidence = [error.cause] + error.evidence
      error.cause = "the cached appliance \(appliance.digest.prefix(16)) was damaged, and is removed now"
      error.remedy = "Build again: the appliance is made anew. If it comes again, check the disk of the cache"
      throw error
    }
  }

  /// Whether a step reads what is poured.
  private func needsPour(_ step: InstallStep) -> Bool {
    switch step {
    case .copyTree(plan.pour.device, _, _, _), .addStorePaths(plan.pour.device, _, _, _),
      .mountFilesystem(plan.pour.device, _):
      true
    default: false
    }
  }

  private func perform(_ planned: PlannedStep, _ agent: AgentClient, _ machine: Machine) async throws {
    let step = BuildStep(planned.step, on: plan.disks, of: plan.generations)
    let total = Mutex<UInt64>(0)
    do {
      try await site.recorder.step(
        step, detail: { _ in total.withLock { $0 == 0 ? nil : "\(ByteSize(bytes: $0))" } }
      ) {
        try await agent.perform(
          planned.step, secrets: secrets(of: planned), limit: .seconds(planned.timeLimit)
        ) { event in
          switch event {
          case .heartbeat: break
          case .log(let line): site.recorder.log(step, line)
          case .warning(let text): site.recorder.warn(text)
          case .progress(let done, let all):
            total.withLock { $0 = all }
            site.recorder.progress(step, done: done, total: all)
          }
        }
      }
    } catch let error as Fault where installer.debugShell {
      site.recorder.warn(error.message)
      try await DebugShell.open(agent, machine, site.recorder)
      throw error
    }
  }

  private func secrets(of planned: PlannedStep) throws -> [SecretFile] {
    try planned.secrets.map { name in
      guard let secret = secrets.first(where: { $0.name == name }) else {
        throw Fault(
          .failed, "the step \(planned.step.name) needs the secret '\(name)', which this build does not have")
      }
      return secret
    }
  }
}

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

  /// How long firmware, kernel and agent may take. Emulated on two busy cores they take about ten seconds.
  private static let bootLimit = Duration.seconds(180)

  /// - Parameter pour: what the first step that reads the poured tree waits for.
  /// - Throws: `Fault`, `CancellationError`. The machine is gone then.
  func run(pour: Task<Void, any Error>) async throws {
    try HostFiles.makeDirectory(site.consoleLog.removingLastComponent())
    try await checkingAppliance {
      try await withMachine(configuration) { machine in try await runSteps(on: machine, pour) }
    }
  }

  /// Whatever goes wrong in the guest, a damaged appliance is the first suspect. It is read in full only then.
  private func checkingAppliance(_ body: () async throws -> Void) async throws {
    do {
      try await body()
    } catch var error as Fault {
      guard appliance.removeIfDamaged() else { throw error }
      error.evidence = [error.cause] + error.evidence
      error.cause = "the cached appliance \(appliance.digest.prefix(16)) was damaged, and is removed now"
      error.remedy = "Build again: the appliance is made anew. If it comes again, check the disk of the cache"
      throw error
    }
  }

  private func runSteps(on machine: Machine, _ pour: Task<Void, any Error>) async throws {
    let agent = try await site.recorder.step(.boot) {
      try await BootWatch(console: machine.console, step: .boot, recorder: site.recorder) {
        BootPhase(console: $0.lastLines).rawValue
      }.during { try await machine.connectAgent(build: SlipwayVersion.named, within: Self.bootLimit) }
    }
    for planned in plan.steps {
      if needsPour(planned.step) { try await pour.value }
      try await perform(planned, agent, machine)
    }
    try await site.recorder.step(.powerOff) { try await machine.powerOff(agent) }
  }

  /// Whether a step reads what is poured.
  private func needsPour(_ step: InstallStep) -> Bool {
    switch step {
    case .copyTree(plan.pour.device, _, _, _), .mountFilesystem(plan.pour.device, _): true
    default: false
    }
  }

  private func perform(_ planned: PlannedStep, _ agent: AgentClient, _ machine: Machine) async throws {
    let step = BuildStep(planned.step, on: plan.disks)
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

  private var configuration: MachineConfiguration {
    MachineConfiguration(hypervisor: installer.machine.hypervisor, consoleLog: site.consoleLog) { session in
      let common = DomainValues(
        name: session.name, uuid: session.uuid, accelerator: machine.accelerator, memory: machine.memory,
        cpus: machine.cpus, firmware: variables?.firmware, variables: variables?.file.string ?? "",
        consoleLog: session.consoleLog.string, hostCPUs: session.hostCPUs)
      let own = [
        "kernel": appliance.kernel.string, "initramfs": appliance.initramfs.string,
        "kernelCommandLine": machine.kernelCommandLine, "clock": "\(machine.clock)",
        "agentSocket": session.agentSocket.string, "agentPort": AgentProtocol.portName,
        "debugSocket": session.debugSocket.string,
      ]
      let values = common.placeholders.merging(try disks.placeholders) { $1 }.merging(own) { $1 }
      return try installer.template.render(values, lists: ["qemuArguments": installer.qemuArguments])
    }
  }
}

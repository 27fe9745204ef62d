internal import AgentProtocol
internal import Appliance
internal import BuildMachine
internal import BuildPlan
internal import Command
internal import EFIVariables
internal import Foundation
internal import HostProbe
internal import ImageModel
internal import Synchronization
internal import SystemPackage

/// One installation: from a plan to a finished raw disk and the variable store that belongs to it.
struct Installation: Sendable {
  let preparation: Preparation
  let machine: MachinePlan
  let appliance: Appliance
  let template: DomainTemplate
  let hypervisor: Hypervisor
  let debugShell: Bool
  /// The disk that becomes the image: as large as the plan says, and blank.
  let target: FilePath
  /// Where the firmware's variables go.
  let variables: FilePath
  /// The work folder; everything else is made in it.
  let work: FilePath
  let recorder: StepRecorder

  private var consoleLog: FilePath { work.appending("log").appending("console.log") }
  private var overlay: FilePath { work.appending("target.qcow2") }
  private var tools: ToolFolder { ToolFolder(path: work) }
  private var source: FilePath { work.appending("source.raw") }
  private var plan: BuildPlan { preparation.plan }
  private var isPouredIntoTarget: Bool { plan.pour.place == .target }

  /// How long firmware, kernel and agent may take, in seconds. Emulated on two busy cores they take about ten.
  private static let bootLimit = Duration.seconds(180)

  /// Makes the disks, pours while a machine starts, and has the agent do every step of the plan.
  ///
  /// - Returns: what became of the firmware's variables; nil without EFI.
  /// - Throws: `BuildError`, `CancellationError`. The machine is gone then.
  func run() async throws -> [Manifest.VariableChange]? {
    try FileSystem.makeDirectory(consoleLog.removingLastComponent())
    let firmware = try await machine.firmware?.rawFiles(in: work)
    let templateBytes = try firmware.map { try template(of: $0) }
    if let templateBytes { try FileSystem.write(templateBytes, to: variables) }
    try await makeDisks()
    try await withPour { pour in
      try await machineErrorsAsBuildErrors {
        try await checkingAppliance {
          try await withMachine(configuration(firmware)) { machine in try await runSteps(on: machine, pour) }
        }
      }
    }
    try await mergeOverlay()
    if !isPouredIntoTarget { try FileSystem.remove(source) }
    // What was converted from qcow2 is no artefact.
    for file in FirmwarePair.convertedNames { try FileSystem.remove(work.appending(file)) }
    let export = try firmware.flatMap { firmware in
      try templateBytes.map {
        try VariableExport(
          plan: plan, firmware: firmware, template: $0, store: variables, secureBoot: preparation.secureBoot
        ).run()
      }
    }
    let sealed = try await SealedDisk(target, plan: plan, variables: export?.store)
    try sealed.check()
    if let programs = try await SignedPrograms.read(from: sealed) {
      programs.warnings.forEach(recorder.warn)
      try programs.check()
    }
    return export?.changes
  }

  /// The bytes of the raw template. One in qcow2 nobody has looked into until now.
  private func template(of firmware: FirmwarePair) throws -> [UInt8] {
    let bytes = try FileSystem.read(FilePath(firmware.variablesTemplate))
    do {
      _ = try VariableStore(reading: bytes)
    } catch {
      throw BuildError(
        .badInput, "\(machine.firmware?.variablesTemplate ?? "") is no variable store: \(error)",
        remedy: FirmwareSearch.remedy)
    }
    return bytes
  }

  /// What is poured into the target stays as it is while the guest runs: its writes go to an overlay.
  private func makeDisks() async throws {
    guard isPouredIntoTarget else {
      try FileSystem.makeSparseFile(source, bytes: plan.pour.size.bytes)
      return
    }
    try await disk("make an overlay over the target") {
      tools.command(
        "qemu-img", ["create", "-q", "-f", "qcow2", "-b", "target.raw", "-F", "raw", "target.qcow2"])
    }
  }

  /// The guest's writes, onto the target.
  private func mergeOverlay() async throws {
    guard isPouredIntoTarget else { return }
    try await recorder.step(.merge) {
      try await disk("write the guest's changes to the target") {
        tools.command("qemu-img", ["commit", "-q", "-d", "-f", "qcow2", "target.qcow2"])
      }
    }
    try FileSystem.remove(overlay)
  }

  private func disk(_ attempt: String, _ command: () -> Command) async throws {
    try await HostCommand(attempt: attempt, place: work, package: "qemu-utils").run {
      try await SubprocessRunner().run(command())
    }
  }

  /// Pours while `body` runs. Whichever fails first ends the other.
  private func withPour(_ body: @escaping @Sendable (Task<Void, any Error>) async throws -> Void) async throws
  {
    let pour = Task {
      try await Pour.step(preparation, to: isPouredIntoTarget ? target : source, recorder)
    }
    try await withThrowingTaskGroup { group in
      group.addTask { try await body(pour) }
      group.addTask {
        try await withTaskCancellationHandler {
          try await pour.value
        } onCancel: {
          pour.cancel()
        }
      }
      try await group.waitForAll()
    }
  }

  /// Whatever goes wrong in the guest, a damaged appliance is the first suspect. It is read in full only then.
  private func checkingAppliance(_ body: () async throws -> Void) async throws {
    do {
      try await body()
    } catch var error as MachineError {
      guard appliance.removeIfDamaged() else { throw error }
      error.evidence = [error.cause] + error.evidence
      error.cause = "the cached appliance \(appliance.digest.prefix(16)) was damaged, and is removed now"
      error.remedy = "Build again: the appliance is made anew. If it comes again, check the disk of the cache"
      throw error
    }
  }

  private func runSteps(on machine: Machine, _ pour: Task<Void, any Error>) async throws {
    let agent = try await recorder.step(.boot) {
      try await BootWatch(console: machine.console, step: .boot, recorder: recorder) {
        BootPhase(console: $0.lastLines).rawValue
      }.during { try await machine.connectAgent(build: SlipwayVersion.named, within: Self.bootLimit) }
    }
    for planned in plan.steps {
      if needsPour(planned.step) { try await pour.value }
      try await perform(planned, agent, machine)
    }
    try await recorder.step(.powerOff) { try await machine.powerOff(agent) }
  }

  /// Whether a step reads what is poured.
  private func needsPour(_ step: InstallStep) -> Bool {
    switch step {
    case .copyTree: true
    case .mountFilesystem: isPouredIntoTarget
    default: false
    }
  }

  private func perform(_ planned: PlannedStep, _ agent: AgentClient, _ machine: Machine) async throws {
    let step = BuildStep(planned.step, on: plan.disk)
    let total = Mutex<UInt64>(0)
    do {
      try await recorder.step(
        step, detail: { _ in total.withLock { $0 == 0 ? nil : "\(ByteSize(bytes: $0))" } }
      ) {
        try await agent.perform(
          planned.step, secrets: secrets(for: planned.step), limit: .seconds(planned.timeLimit)
        ) { event in
          switch event {
          case .heartbeat: break
          case .log(let line): recorder.log(step, line)
          case .warning(let text): recorder.warn(text)
          case .progress(let done, let all):
            total.withLock { $0 = all }
            recorder.progress(step, done: done, total: all)
          }
        }
      }
    } catch let error as MachineError where debugShell {
      recorder.warn("could not \(error.attempt): \(error.cause)")
      try await DebugShell.open(agent, machine, recorder)
      throw error
    }
  }

  private func secrets(for step: InstallStep) -> [SecretFile]? {
    guard case .installBootLoader = step, let secureBoot = preparation.secureBoot else { return nil }
    return secureBoot.signing
  }

  private func configuration(_ firmware: FirmwarePair?) -> MachineConfiguration {
    MachineConfiguration(hypervisor: hypervisor, consoleLog: consoleLog) { session in
      let common = DomainValues(
        name: session.name, uuid: session.uuid, accelerator: machine.accelerator, memory: machine.memory,
        cpus: machine.cpus, firmware: firmware, variables: variables.string,
        consoleLog: session.consoleLog.string, hostCPUs: session.hostCPUs)
      let installer = [
        "kernel": appliance.kernel.string, "initramfs": appliance.initramfs.string,
        "kernelCommandLine": machine.kernelCommandLine, "clock": "\(machine.clock)",
        "targetDisk": isPouredIntoTarget ? overlay.string : target.string,
        "targetFormat": isPouredIntoTarget ? "qcow2" : "raw", "targetSerial": DiskSerial.target,
        "sourceDisk": isPouredIntoTarget ? "" : source.string, "sourceSerial": DiskSerial.source,
        "agentSocket": session.agentSocket.string, "agentPort": AgentProtocol.portName,
        "sectorSize": DomainValues.sectorSize(plan.disk.sectorSize),
        "debugSocket": session.debugSocket.string,
      ]
      return try template.render(common.placeholders.merging(installer) { $1 })
    }
  }
}

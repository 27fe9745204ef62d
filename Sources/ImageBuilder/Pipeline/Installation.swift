internal import AgentProtocol
internal import Appliance
internal import BuildMachine
internal import BuildPlan
internal import Command
internal import Foundation
internal import ImageModel
internal import NixStore
internal import Synchronization
internal import SystemPackage

/// One installation: from a plan to a finished raw disk and the variable store that belongs to it.
struct Installation: Sendable {
  let preparation: Preparation
  let appliance: Appliance
  let template: DomainTemplate
  let hypervisor: Hypervisor
  let debugShell: Bool
  /// The work folder; everything below is made in it.
  let work: FilePath
  let recorder: StepRecorder

  var target: FilePath { work.appending("target.raw") }
  var variables: FilePath { work.appending(preparation.plan.outputs.efiVariables) }
  var consoleLog: FilePath { work.appending("log").appending("console.log") }

  private var source: SourceDisk {
    SourceDisk(file: work.appending("source.img"), size: plan.source.capacity)
  }
  private var database: FilePath { work.appending("db.sqlite") }
  private var plan: BuildPlan { preparation.plan }

  /// How long firmware, kernel and agent may take, in seconds. Emulated on two busy cores they take about ten.
  private static let bootLimit = Duration.seconds(180)

  /// Makes the disks, starts the machine, and has the agent do every step of the plan.
  ///
  /// - Throws: `BuildError`, `CancellationError`. The machine is gone then.
  func run() async throws {
    try FileSystem.makeDirectory(consoleLog.removingLastComponent())
    try FileSystem.makeSparseFile(target, bytes: plan.disk.size.bytes)
    try await storeErrorsAsBuildErrors { try source.reserve() }
    let templateBytes = try FileSystem.read(FilePath(plan.machine.firmware.variablesTemplate))
    try FileSystem.write(templateBytes, to: variables)
    try await machineErrorsAsBuildErrors {
      try await withMachine(configuration()) { machine in
        try await withSourceDisk { sourceDisk in try await runSteps(on: machine, sourceDisk) }
      }
    }
    try checkVariables(since: templateBytes)
    try FileSystem.remove(source.file)
    try FileSystem.remove(database)
  }

  /// Writes the source disk while `body` runs, and is done with that when it returns.
  ///
  /// Begun when the machine has its disks: QEMU keeps the size that a disk has when it opens it, and the disk is
  /// shorter while it is written. The guest does not look at it before the step that needs it.
  private func withSourceDisk(_ body: (Task<Void, any Error>) async throws -> Void) async throws {
    let sourceDisk = Task { try await writeSource() }
    do {
      try await body(sourceDisk)
    } catch {
      sourceDisk.cancel()
      _ = await sourceDisk.result
      throw error
    }
  }

  private func runSteps(on machine: Machine, _ sourceDisk: Task<Void, any Error>) async throws {
    let agent = try await recorder.step("boot") {
      try await machine.connectAgent(build: SlipwayVersion.named, within: Self.bootLimit)
    }
    for planned in plan.steps {
      if case .copyStore = planned.step { try await sourceDisk.value }
      try await perform(planned, agent, machine)
    }
    try await recorder.step("powerOff") { try await machine.powerOff(agent) }
  }

  private func perform(_ planned: PlannedStep, _ agent: AgentClient, _ machine: Machine) async throws {
    let name = planned.step.name
    let total = Mutex<UInt64>(0)
    do {
      try await recorder.step(
        name, detail: { _ in total.withLock { $0 == 0 ? nil : "\(ByteSize(bytes: $0))" } }
      ) {
        try await agent.perform(planned.step, limit: .seconds(planned.timeLimit)) { event in
          switch event {
          case .heartbeat: break
          case .log(let line): recorder.log(name, line)
          case .warning(let text): recorder.warn(text)
          case .progress(let done, let all):
            total.withLock { $0 = all }
            recorder.progress(name, done: done, total: all)
          }
        }
      }
    } catch let error as MachineError where debugShell {
      recorder.warn("\(error)")
      try await DebugShell.open(agent, machine, recorder)
      throw error
    }
  }

  private func configuration() -> MachineConfiguration {
    MachineConfiguration(hypervisor: hypervisor, consoleLog: consoleLog) { session in
      let common = DomainValues(
        name: session.name, uuid: session.uuid, accelerator: plan.machine.accelerator,
        memory: plan.machine.memory, cpus: plan.machine.cpus, firmware: plan.machine.firmware,
        variables: variables.string, consoleLog: session.consoleLog.string)
      let installer = [
        "kernel": appliance.kernel.string, "initramfs": appliance.initramfs.string,
        "kernelCommandLine": plan.machine.kernelCommandLine, "clock": "\(plan.machine.clock)",
        "targetDisk": target.string, "targetSerial": DiskSerial.target, "sourceDisk": source.file.string,
        "sourceSerial": DiskSerial.source, "agentSocket": session.agentSocket.string,
        "agentPort": AgentProtocol.portName, "debugSocket": session.debugSocket.string,
      ]
      return try template.render(common.placeholders.merging(installer) { $1 })
    }
  }

  /// Writes the Nix database and the disk that carries it and the store.
  private func writeSource() async throws {
    try await storeErrorsAsBuildErrors {
      try await recorder.step("writeSource") {
        try await NixDatabase.write(
          preparation.closure, from: preparation.store, registrationTime: 1, to: database)
        try await source.write(
          preparation.closure, from: preparation.store, database: database, runner: SubprocessRunner())
      }
    }
  }

  /// Firmware that was given a store it does not take boots, and keeps nothing: that must not pass for a store.
  private func checkVariables(since template: [UInt8]) throws {
    do {
      let changes = try VariableStoreHeader.changes(in: FileSystem.read(variables), since: template)
      guard changes > 0 else {
        throw BuildError(
          .failed, "the firmware \(plan.machine.firmware.code) wrote nothing into its variable store",
          remedy: "Check that \(plan.machine.firmware.variablesTemplate) belongs to it (slipway doctor)")
      }
    } catch let fault as VariableStoreFault {
      throw BuildError(.failed, "the variable store is damaged after the installation: \(fault)")
    }
  }
}

internal import Basics
internal import BuildMachine
internal import BuildPlan
internal import Command
internal import Foundation
internal import HostProbe
internal import ImageModel
internal import SystemPackage

/// What a successful verification saw.
public struct VerifyResult: Hashable, Sendable {
  /// The expected text as it stood on the console.
  public var token: String
  /// Whether the firmware started nothing on the way that it has no signature for.
  public var enforcesSecureBoot: Bool
  /// Seconds from the machine's start to the token.
  public var seconds: Double
}

/// Boots copies of the artefacts through the firmware, and waits for a positive token on the serial console.
public struct Verification: Sendable {
  private let request: VerifyRequest
  private let recorder: StepRecorder
  private let runner = SubprocessRunner()

  /// Prepares a verification; nothing runs yet.
  public init(_ request: VerifyRequest, events: @escaping BuildEventHandler) {
    self.init(request, recorder: StepRecorder(events))
  }

  init(_ request: VerifyRequest, recorder: StepRecorder) {
    self.request = request
    self.recorder = recorder
  }

  /// Boots, and takes everything down again.
  ///
  /// - Throws: `Fault`; `CancellationError`. The artefacts are never written to.
  public func run() async throws -> VerifyResult {
    var verdict = try BootVerdict(expect: request.expect)
    guard (1...TimeLimit.longest).contains(request.timeLimit) else {
      throw Fault(
        .badInput, "--timeout \(request.timeLimit) cannot be the limit of a boot",
        remedy: "Give 1 to \(TimeLimit.longest) seconds, which is a year")
    }
    let deadline = ContinuousClock.now + .seconds(request.timeLimit)
    let artefacts = try await within(deadline) { try await VerifyArtefacts.resolve(request) }
    let accelerator = try await within(deadline) {
      try await HostProbe().accelerator(wanted: request.machine.accelerator.kind)
    }
    // The QEMU of another user enters the folder, and can list nothing in it: libvirt gives it the files that it names.
    return try await ScratchFolder.with("verify", mode: request.machine.connection == nil ? 0o700 : 0o711) {
      scratch in
      let disk = scratch.appending("disk.qcow2")
      let variables = scratch.appending("vars.fd")
      try await within(deadline) { try await makeOverlay(disk, over: artefacts, scratch) }
      if let efi = artefacts.efi {
        try HostFiles.makePrivateFile(variables)
        try HostFiles.write(efi.variables, to: variables)
      }
      let firmware = try await artefacts.efi?.firmware.raw(in: scratch.string, SubprocessRunner())
      let configuration = try machine(
        artefacts, firmware, accelerator.kind, in: scratch, disk: disk, variables: variables)
      return try await recorder.step(
        .bootImage,
        detail: {
          $0.token.trimmingCharacters(in: .whitespaces) + ($0.enforcesSecureBoot ? ", Secure Boot on" : "")
        }
      ) {
        try await withMachine(configuration) { machine in
          let start = ContinuousClock.now
          let token = try await BootWatch(console: machine.console, step: .bootImage, recorder: recorder) {
            $0.lastLines.last ?? BootPhase.firmware.rawValue
          }.during { try await waitForToken(on: machine, &verdict, until: deadline) }
          let seconds = (ContinuousClock.now - start) / .seconds(1)
          if let picture = request.screenshot { try await machine.screenshot(to: FilePath(picture)) }
          return VerifyResult(
            token: token, enforcesSecureBoot: artefacts.efi?.enforcesSecureBoot ?? false, seconds: seconds)
        }
      }
    }
  }

  /// Does what comes before the boot, as long as there is time: the limit is that of the whole verification.
  private func within<Result: Sendable>(
    _ deadline: ContinuousClock.Instant, _ body: @escaping @concurrent @Sendable () async throws -> Result
  ) async throws -> Result {
    try await withThrowingTaskGroup { group in
      defer { group.cancelAll() }
      group.addTask { try await body() }
      group.addTask {
        try await Task.sleep(until: deadline)
        throw Fault(
          .failed, "the image was not ready to boot after \(request.timeLimit) seconds",
          remedy: "Give it more time with --timeout")
      }
      guard let result = try await group.next() else { throw CancellationError() }
      return result
    }
  }

  /// All writes go to the overlay. The image's own format is given, never probed: a guest could have written another
  /// format's header into a raw disk.
  private func makeOverlay(
    _ overlay: FilePath, over artefacts: VerifyArtefacts, _ scratch: FilePath
  ) async throws {
    let command = HostCommand(
      attempt: "open the image \(artefacts.image)", place: scratch, package: "qemu-utils", kind: .badInput,
      remedy: "Check that it is \(artefacts.format.rawValue), or name its format with --format")
    try await command.run {
      let tools = ToolFolder(path: scratch)
      try tools.link(artefacts.image, as: "image")
      if let kernel = request.kernel {
        try tools.link(FilePath(kernel.kernel), as: "kernel")
        try tools.link(FilePath(kernel.initrd), as: "initrd")
      }
      var image = "image"
      if artefacts.format.isPacked {
        image = "unpacked.img"
        try await DiskExport(runner: runner).unpack("image", artefacts.format, to: image, in: tools)
      }
      // Made by qemu-img it would be everybody's to read where the folder is not this user's alone.
      try HostFiles.makePrivateFile(overlay)
      // libvirt knows no VHDX, and below an overlay has QEMU read it as a raw disk: a copy takes the overlay's place.
      let words =
        artefacts.format == .vhdx
        ? ["convert", "-f", artefacts.format.qemuName, "-O", "qcow2", image, "disk.qcow2"]
        : ["create", "-q", "-f", "qcow2", "-b", image, "-F", artefacts.format.qemuName, "disk.qcow2"]
      try await runner.run(tools.command("qemu-img", words))
    }
  }

  private func machine(
    _ artefacts: VerifyArtefacts, _ firmware: FirmwarePair?, _ accelerator: Accelerator.Kind,
    in scratch: FilePath,
    disk: FilePath,
    variables: FilePath
  ) throws -> MachineConfiguration {
    let template = try request.machine.domainTemplate(or: DomainTemplate.verify)
    return MachineConfiguration(hypervisor: request.machine.hypervisor) { session in
      let common = DomainValues(
        name: session.name, uuid: session.uuid, accelerator: accelerator, memory: request.memory, cpus: 2,
        firmware: firmware, variables: variables.string, consoleLog: session.consoleLog.string,
        hostCPUs: session.hostCPUs)
      let image = [
        "disk": disk.string,
        "kernel": request.kernel == nil ? "" : scratch.appending("kernel").string,
        "initrd": request.kernel == nil ? "" : scratch.appending("initrd").string,
        "kernelCommandLine": request.kernel?.commandLine ?? "",
        "sectorSize": DomainValues.sectorSize(artefacts.sectorSize),
      ]
      return try template.render(common.placeholders.merging(image) { $1 })
    }
  }

  /// Reads the console until it decides the matter, the machine ends, or the time is over.
  private func waitForToken(
    on machine: Machine, _ verdict: inout BootVerdict, until deadline: ContinuousClock.Instant
  ) async throws -> String {
    let pieces = machine.console.text()
    let clock = Task {
      try await Task.sleep(until: deadline)
      try await machine.destroy()
    }
    defer { clock.cancel() }
    for await piece in pieces {
      switch verdict.read(piece) {
      case .open: continue
      case .up(let token): return token
      case .lost(let reason): throw failure(reason, machine)
      }
    }
    try Task.checkCancellation()
    // What came first counts: a machine that ended by itself was not stopped by the clock, however late it is now.
    let end = try await machine.ended()
    guard end != .destroyed else {
      throw failure(
        "'\(request.expect)' did not appear on the console in \(request.timeLimit) seconds", machine)
    }
    throw failure("\(end)", machine)
  }

  private func failure(_ reason: String, _ machine: Machine) -> Fault {
    Fault(
      .failed, "the image did not boot: \(reason)",
      remedy: "Look at its screen with --screenshot, or boot it by hand",
      evidence: machine.console.lastLines.map(TerminalText.escaped))
  }
}

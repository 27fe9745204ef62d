internal import Basics
internal import BuildPlan
internal import Command
internal import EFIVariables
internal import HostProbe
internal import ImageModel
internal import SystemPackage

/// What the boots of one image have in common. Lives as long as its folder.
struct BootSetup: Sendable {
  let artefacts: VerifyArtefacts
  let accelerator: Accelerator.Kind
  /// The firmware, in files that QEMU takes as they are; nil for a BIOS.
  let firmware: FirmwarePair?
  let machine: MachineChoice
  let template: DomainTemplate
  /// Memory, in MiB.
  let memory: UInt64
  /// A kernel for an image without a boot loader.
  let kernel: ExternalKernel?
  /// The folder with everything that a boot writes.
  let scratch: FilePath

  /// Names of files in the folder.
  private static let image = "image"
  private static let unpacked = "unpacked.img"
  private static let kernelFile = "kernel"
  private static let initrdFile = "initrd"

  /// Runs `body` with a setup whose folder is gone afterwards.
  ///
  /// - Parameter deadline: the end of what is done before `body`; nil for no limit.
  /// - Throws: `Fault`, `CancellationError`; what `body` throws.
  static func with<Result: Sendable>(
    _ request: VerifyRequest, template builtIn: () throws -> DomainTemplate = DomainTemplate.verify,
    until deadline: BootDeadline? = nil, _ body: (BootSetup) async throws -> Result
  ) async throws -> Result {
    let template = try request.machine.domainTemplate(or: builtIn)
    let artefacts = try await within(deadline) { try await VerifyArtefacts.resolve(request) }
    let accelerator = try await within(deadline) {
      try await HostProbe().accelerator(wanted: request.machine.accelerator.kind)
    }
    // The QEMU of another user enters the folder, and can list nothing in it: libvirt gives it the files that it names.
    return try await ScratchFolder.with("verify", mode: request.machine.connection == nil ? 0o700 : 0o711) {
      scratch in
      let setup = BootSetup(
        artefacts: artefacts, accelerator: accelerator.kind,
        firmware: try await artefacts.efi?.firmware.raw(in: scratch.string, SubprocessRunner()),
        machine: request.machine, template: template, memory: request.memory, kernel: request.kernel,
        scratch: scratch)
      try await within(deadline) { try await setup.prepare() }
      return try await body(setup)
    }
  }

  private static func within<Result: Sendable>(
    _ deadline: BootDeadline?, _ body: @escaping @concurrent @Sendable () async throws -> Result
  ) async throws -> Result {
    guard let deadline else { return try await body() }
    return try await deadline.during(body)
  }

  /// Gives the image, and a kernel, their names in the folder.
  private func prepare() async throws {
    try await command.run {
      let tools = ToolFolder(path: scratch)
      try tools.link(artefacts.image, as: Self.image)
      if let kernel {
        try tools.link(FilePath(kernel.kernel), as: Self.kernelFile)
        try tools.link(FilePath(kernel.initrd), as: Self.initrdFile)
      }
      guard artefacts.format.isPacked else { return }
      try await DiskExport(runner: SubprocessRunner())
        .unpack(Self.image, artefacts.format, to: Self.unpacked, in: tools)
    }
  }

  private var command: HostCommand {
    HostCommand(
      attempt: "open the image \(artefacts.image)", place: scratch, package: "qemu-utils", kind: .badInput,
      remedy: "Check that it is \(artefacts.format.rawValue), or name its format with --format")
  }

  /// A copy of the image and its variables as they were given.
  ///
  /// All writes go to an overlay. The image's own format is given, never probed: a guest could have written another
  /// format's header into a raw disk.
  ///
  /// - Parameter name: a file name that no other copy of the setup has.
  /// - Throws: `Fault`, `CancellationError`.
  func copy(_ name: String) async throws -> ImageCopy {
    let copy = ImageCopy(
      disk: scratch.appending("\(name).qcow2"),
      variables: artefacts.efi == nil ? nil : scratch.appending("\(name).fd"))
    if let file = copy.variables, let efi = artefacts.efi {
      try HostFiles.makePrivateFile(file)
      try HostFiles.write(efi.variables, to: file)
    }
    try await command.run {
      // Made by qemu-img it would be everybody's to read where the folder is not this user's alone.
      try HostFiles.makePrivateFile(copy.disk)
      let image = artefacts.format.isPacked ? Self.unpacked : Self.image
      // libvirt knows no VHDX, and below an overlay has QEMU read it as a raw disk: a copy takes the overlay's place.
      let words =
        artefacts.format == .vhdx
        ? ["convert", "-f", artefacts.format.qemuName, "-O", "qcow2", image, "\(name).qcow2"]
        : [
          "create", "-q", "-f", "qcow2", "-b", image, "-F", artefacts.format.qemuName, "\(name).qcow2",
        ]
      try await SubprocessRunner().run(ToolFolder(path: scratch).command("qemu-img", words))
    }
    return copy
  }

  /// The variables as they were given; nil for a BIOS.
  ///
  /// - Throws: `Fault`.
  func store() throws -> VariableStore? {
    guard let efi = artefacts.efi else { return nil }
    do {
      return try VariableStore(reading: efi.variables)
    } catch {
      throw Fault(.badInput, "the variable store is not intact: \(error)")
    }
  }

  /// The values of a domain that boots a copy.
  func placeholders(of copy: ImageCopy) -> [String: String] {
    [
      "disk": copy.disk.string,
      "kernel": kernel == nil ? "" : scratch.appending(Self.kernelFile).string,
      "initrd": kernel == nil ? "" : scratch.appending(Self.initrdFile).string,
      "kernelCommandLine": kernel?.commandLine ?? "",
      "sectorSize": DomainValues.sectorSize(artefacts.sectorSize),
    ]
  }
}

/// A throw-away copy of an image and its EFI variables: what one boot writes, the next one finds.
struct ImageCopy: Hashable, Sendable {
  /// A qcow2 overlay.
  let disk: FilePath
  /// A raw variable store; nil for a BIOS.
  let variables: FilePath?

  /// What it is called in the setup's folder.
  var name: String { disk.stem ?? "" }

  /// The variables as they are now; nil for a BIOS.
  ///
  /// - Throws: `Fault` where the boot left a damaged store.
  func store() async throws -> VariableStore? {
    guard let variables else { return nil }
    return try await VariableStoreFile(variables.string).read()
  }
}

/// The end of a verification's time.
struct BootDeadline: Sendable {
  let instant: ContinuousClock.Instant
  /// All of the time, in seconds.
  let limit: Int

  /// - Throws: `Fault` for a limit that no boot can have.
  init(seconds: Int) throws(Fault) {
    guard (1...TimeLimit.longest).contains(seconds) else {
      throw Fault(
        .badInput, "--timeout \(seconds) cannot be the limit of a boot",
        remedy: "Give 1 to \(TimeLimit.longest) seconds, which is a year")
    }
    limit = seconds
    instant = .now + .seconds(seconds)
  }

  /// Does what comes before a boot, as long as there is time.
  func during<Result: Sendable>(
    _ body: @escaping @concurrent @Sendable () async throws -> Result
  ) async throws -> Result {
    try await withThrowingTaskGroup { group in
      defer { group.cancelAll() }
      group.addTask { try await body() }
      group.addTask {
        try await Task.sleep(until: instant)
        throw Fault(
          .failed, "the image was not ready to boot after \(limit) seconds",
          remedy: "Give it more time with --timeout")
      }
      guard let result = try await group.next() else { throw CancellationError() }
      return result
    }
  }
}

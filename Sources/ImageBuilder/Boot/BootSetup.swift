internal import Basics
internal import BuildMachine
internal import BuildPlan
internal import Command
internal import EFIVariables
internal import HostProbe
internal import ImageModel
internal import SystemPackage

/// What the boots of one image have in common. Lives as long as its folder.
struct BootSetup: Sendable {
  let artefacts: BootArtefacts
  let accelerator: Accelerator.Kind
  /// The firmware, in files that QEMU takes as they are; nil for a BIOS.
  let firmware: FirmwarePair?
  let machine: MachineChoice
  let template: DomainTemplate
  /// Memory, in MiB.
  let memory: UInt64
  /// Processors.
  let cpus: Int
  /// A kernel for an image without a boot loader.
  let kernel: ExternalKernel?
  /// The folder with everything that a boot writes.
  let scratch: FilePath

  /// Names of files in the folder.
  private static let image = "image"
  private static let unpacked = "unpacked.img"
  private static let wholeCopy = "whole.qcow2"
  private static let kernelFile = "kernel"
  private static let initrdFile = "initrd"

  /// Runs `body` with a setup whose folder is gone afterwards.
  ///
  /// - Parameters:
  ///   - purpose: what the folder's name says.
  ///   - deadline: the end of what is done before `body`; nil for no limit.
  /// - Throws: `Fault`, `CancellationError`; what `body` throws.
  static func with<Result: Sendable>(
    _ request: BootRequest, for purpose: String, template builtIn: () throws -> DomainTemplate,
    until deadline: BootDeadline? = nil, _ body: (BootSetup) async throws -> Result
  ) async throws -> Result {
    let template = try request.machine.domainTemplate(or: builtIn)
    let artefacts = try await within(deadline) { try await BootArtefacts.resolve(request) }
    let accelerator = try await within(deadline) {
      try await HostProbe().accelerator(wanted: request.machine.accelerator.kind)
    }
    // The QEMU of another user enters the folder, and can list nothing in it: libvirt gives it the files that it names.
    return try await ScratchFolder.with(purpose, mode: request.machine.connection == nil ? 0o700 : 0o711) {
      scratch in
      let setup = BootSetup(
        artefacts: artefacts, accelerator: accelerator.kind,
        firmware: try await artefacts.efi?.firmware.raw(in: scratch.string, SubprocessRunner()),
        machine: request.machine, template: template, memory: request.memory, cpus: request.cpus,
        kernel: request.kernel, scratch: scratch)
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
    try await command(in: scratch).run {
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

  private func command(in place: FilePath) -> HostCommand {
    HostCommand(
      attempt: "open the image \(artefacts.image)", place: place, package: "qemu-utils", kind: .badInput,
      remedy: "Check that it is \(artefacts.format.rawValue), or name its format with --format")
  }

  /// A copy of the image and its variables as they were given, which is gone with the folder.
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
    // libvirt knows no VHDX, and below an overlay has QEMU read it as a raw disk: a copy takes the overlay's place.
    guard artefacts.format != .vhdx else {
      try await makeWholeCopy(at: copy.disk)
      return copy
    }
    try await command(in: scratch).run {
      // Made by qemu-img it would be everybody's to read where the folder is not this user's alone.
      try HostFiles.makePrivateFile(copy.disk)
      let words = [
        "create", "-q", "-f", "qcow2", "-b", disk, "-F", artefacts.format.qemuName, "\(name).qcow2",
      ]
      try await SubprocessRunner().run(ToolFolder(path: scratch).command("qemu-img", words))
    }
    return copy
  }

  /// Makes a qcow2 copy of the image that needs no other file.
  ///
  /// - Throws: `Fault`, `CancellationError`.
  func makeWholeCopy(at copy: FilePath) async throws {
    try await command(in: copy.removingLastComponent()).run {
      try HostFiles.makePrivateFile(copy)
      let tools = ToolFolder(path: scratch)
      try tools.link(copy, as: Self.wholeCopy)
      let words = ["convert", "-f", artefacts.format.qemuName, "-O", "qcow2", disk, Self.wholeCopy]
      try await SubprocessRunner().run(tools.command("qemu-img", words))
      try HostFiles.remove(scratch.appending(Self.wholeCopy))
    }
  }

  /// What QEMU's tools read, by its name in the folder.
  private var disk: String { artefacts.format.isPacked ? Self.unpacked : Self.image }

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

  /// The domain that boots a copy.
  ///
  /// - Parameter own: placeholders that this template has beside those of every boot.
  /// - Throws: `Fault` when the template names another.
  func domain(of copy: ImageCopy, _ session: MachineSession, _ own: [String: String] = [:]) throws -> String {
    let common = DomainValues(
      name: session.name, uuid: session.uuid, accelerator: accelerator, memory: memory, cpus: cpus,
      firmware: firmware, variables: copy.variables?.string ?? "", consoleLog: session.consoleLog.string,
      hostCPUs: session.hostCPUs)
    let boot = [
      "disk": copy.disk.string,
      "kernel": kernel == nil ? "" : scratch.appending(Self.kernelFile).string,
      "initrd": kernel == nil ? "" : scratch.appending(Self.initrdFile).string,
      "kernelCommandLine": kernel?.commandLine ?? "",
      "sectorSize": DomainValues.sectorSize(artefacts.sectorSize),
      "consoleSocket": session.consoleSocket.string,
    ]
    return try common.render(template, with: boot.merging(own) { $1 })
  }

  /// Whether nobody but this user has to reach what a boot reads.
  var isPrivate: Bool { machine.connection == nil }
}

/// A copy of an image and its EFI variables: what one boot writes, the next one finds.
struct ImageCopy: Hashable, Sendable {
  /// A qcow2 disk, which may be an overlay.
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

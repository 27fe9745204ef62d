internal import Basics
internal import BuildPlan
internal import Ext4
internal import Ext4Geometry
internal import Foundation
internal import HostProbe
internal import ImageModel
internal import NixStore
internal import SystemPackage

/// Adds a generation to a copy of an image, whoever has made it. The image itself is not written to.
public struct GenerationAddition: Sendable {
  private let request: AdditionRequest
  private let recorder: StepRecorder
  private let log: BuildLog

  /// Prepares an addition; nothing runs yet.
  ///
  /// - Parameter events: is told what happens, from any task.
  public init(_ request: AdditionRequest, events: @escaping BuildEventHandler) {
    let log = BuildLog()
    self.request = request
    self.log = log
    recorder = StepRecorder { event in
      log.note(event)
      events(event)
    }
  }

  /// Makes the request's output folder, all or nothing.
  ///
  /// - Throws: `SpecError`, `Fault`, `CancellationError`. Nothing is left behind then, but for the log of what failed (`Fault.log`).
  public func run() async throws -> AdditionResult {
    try OutputPath.check(request.out)
    let installer = Installer(
      machine: request.machine, template: try request.machine.domainTemplate(or: DomainTemplate.installer),
      qemuArguments: [], appliance: request.appliance, start: request.start, debugShell: false)
    let manifest = HostFiles.isFolder(FilePath(request.image)) ? try Manifest.read(from: request.image) : nil
    let spec = try ResolvedSpec(spec(manifest))
    let artefacts = try await BootArtefacts.resolve(boot(manifest))
    try Self.check(artefacts, manifest, recorder)
    // Who cannot reach the image cannot reach what is made of it.
    let folder = artefacts.image.absolute.removingLastComponent()
    let isPrivate =
      try FileStatus(of: artefacts.image).mode & 0o004 == 0 || FileStatus(of: folder).mode & 0o001 == 0
    return try await BuildSite.with(
      request.out, force: request.force, isPrivate: isPrivate, log: log, at: request.failureLog, recorder
    ) { site in
      let image = AddedImage(
        request: request, artefacts: artefacts, manifest: manifest, spec: spec, site: site)
      return try await image.make(by: installer)
    }
  }

  /// Refuses what the result could not be.
  private static func check(
    _ artefacts: BootArtefacts, _ manifest: Manifest?, _ recorder: StepRecorder
  ) throws {
    let name = artefacts.image.lastComponent?.string ?? ""
    if let taken = OutputFiles.reserved.first(where: { $0 == name }) {
      throw Fault(
        .badInput, "an image cannot be called \(taken): the output folder has another file of that name",
        remedy: "Rename the image")
    }
    if manifest?.spec.secureBoot?.sign != nil {
      throw Fault(
        .badInput,
        "the build of the image signed its programs, and those of a generation that is added are not signed",
        remedy: "Build the image anew, with both systems")
    }
    if artefacts.efi?.enforcesSecureBoot == true {
      recorder.warn(
        "the variable store enforces Secure Boot: the generation boots only if its programs are signed")
    }
  }

  /// The keys of a spec that an installation onto an existing disk depends on.
  private func spec(_ manifest: Manifest?) -> ImageSpec {
    var spec = ImageSpec()
    spec.systems = [request.system]
    spec.closureInfo = request.closureInfo
    spec.profile = request.profile ?? manifest?.spec.profile
    spec.memSize = request.memory
    spec.cpus = request.cpus
    spec.grubDevice = request.grubDevices.isEmpty ? manifest?.spec.grubDevice : request.grubDevices
    return spec
  }

  /// Without variables no firmware is needed: the bootloader reaches none then.
  private func boot(_ manifest: Manifest?) -> BootRequest {
    let hasVariables = request.efiVariables != nil || manifest?.efiVariables != nil
    return BootRequest(
      folder: manifest == nil ? nil : request.image, image: manifest == nil ? request.image : nil,
      format: request.format, efiVariables: request.efiVariables, efiFirmware: request.efiFirmware,
      bios: !hasVariables, machine: request.machine)
  }
}

/// One image on its way to have one more generation.
private struct AddedImage {
  let request: AdditionRequest
  let artefacts: BootArtefacts
  /// That of the build whose output folder was given.
  let manifest: Manifest?
  let spec: ResolvedSpec
  let site: BuildSite

  private var recorder: StepRecorder { site.recorder }
  private var disk: FilePath { site.work.appending(BuildDisks.targetName) }

  func make(by installer: Installer) async throws -> AdditionResult {
    // Found before much is written.
    let input = try await SystemClosure.read(spec)
    try await recorder.step(.image, detail: { _ in artefacts.format.rawValue }) {
      try await RawDisk.copy(
        of: artefacts.image, artefacts.format, as: BuildDisks.targetName, in: ToolFolder(path: site.work))
    }
    let before = try await recorder.step(.contents) { try await installed() }
    let (prepared, planner) = try await prepare(input, before)
    let done = try await Installed.make(from: prepared, by: installer, at: site)
    let sealed = try await Sealed.make(from: done, at: site)
    try await recorder.step(.result) { try check(await installed(), input, planner) }
    return try await export(sealed, planner, added: prepared.tree.closure.paths.count)
  }

  private func installed() async throws -> InstalledImage {
    let places = (manifest?.disk.partitions ?? []).compactMap { partition in
      partition.filesystem?.mountPoint.map { (partition.number, $0) }
    }
    return try await ScratchFolder.with("add-generation") { scratch in
      try await InstalledImage.read(
        disk, profile: spec.profile, mountPoints: Dictionary(places, uniquingKeysWith: { first, _ in first }),
        isEmulated: await ImageInspection.isEmulated(), scratch: scratch)
    }
  }

  /// What the image lacks, and the plan.
  private func prepare(
    _ input: SystemClosure, _ image: InstalledImage
  ) async throws -> (Prepared, AdditionPlanner) {
    let system = input.systems[0]
    try checkMachine(of: system, in: input.store, image)
    let valid = image.registered.valid
    if let lost = input.closure.paths.first(where: {
      valid.contains($0.path) && !image.storeNames.contains($0.path.name)
    }) {
      throw Fault(
        .badInput, "no generation can be added to the image",
        cause: "\(lost.path) is valid in its Nix database, and is not in its store",
        remedy: "Boot it, and run there: nix-store --verify --repair")
    }
    let missing = Closure(roots: [system], paths: input.closure.paths.filter { !valid.contains($0.path) })
    let time = Int64(Date().timeIntervalSince1970)
    let (tree, need, fingerprint) = try await recorder.step(
      .closure,
      detail: { "\(missing.paths.count) of \(input.closure.paths.count) paths are new, \($0.1.content)" }
    ) {
      try await measure(missing, of: input, image, time: time)
    }
    let accelerator = try await HostProbe().accelerator(wanted: request.machine.accelerator.kind)
    let planner = AdditionPlanner(
      spec: spec, system: system.path, missing: need,
      image: image.facts(adding: try BootFiles.files(of: [system], in: input.store)),
      machine: MachineFacts(
        firmware: artefacts.efi?.firmware, accelerator: accelerator.kind,
        processors: request.machine.connection == nil ? ProcessInfo.processInfo.activeProcessorCount : nil),
      time: time,
      output: AdditionOutput(
        file: artefacts.image.lastComponent?.string ?? "", format: artefacts.format,
        identifier: manifest?.images.first { $0.format == artefacts.format }?.identifier,
        variablesForm: manifest?.spec.efiVarsForm ?? .canonical), installsLoader: request.installBootLoader)
    let prepared = Prepared(
      plan: try planner.plan(), tree: tree, need: need, fingerprint: fingerprint, secureBoot: nil,
      storeImage: nil, variables: artefacts.efi?.variables)
    return (prepared, planner)
  }

  /// Checks the closure, and counts what the missing paths take with the database that the image is to have.
  private func measure(
    _ missing: Closure, of input: SystemClosure, _ image: InstalledImage, time: Int64
  ) async throws -> (PouredTree, TreeNeed, fingerprint: Int) {
    try await input.check(installsBootLoader: true)
    var tree = PouredTree(
      closure: missing, store: input.store, shape: .root,
      contents: try await HostContents([], store: input.store), time: Timestamp(seconds: time))
    tree.registration = try await image.registered.adding(
      input.closure, from: input.store, registrationTime: time)
    return try await Prepared.measure(tree, hashSeed: AdditionPlanner.hashSeed(of: image.layout))
  }

  /// The image's programs and those of the new system run on one machine.
  private func checkMachine(
    of system: StorePath, in store: StoreLocation, _ image: InstalledImage
  ) throws {
    let file = store.resolved(FilePath(system.path).appending("system"))
    let bytes = try file.map { try WholeFile.read($0, limit: 256) }
    guard let bytes, let type = image.machineType else { return }
    let wanted = String(decoding: bytes, as: UTF8.self)
    guard wanted == type else {
      throw Fault(
        .badInput, "no generation can be added to the image",
        cause: "\(system) is for \(wanted), and the image's current generation for \(type)")
    }
  }

  /// Looks at the disk again: what the guest says of it proves nothing.
  private func check(
    _ after: InstalledImage, _ input: SystemClosure, _ planner: AdditionPlanner
  ) throws {
    let number = UInt64(try planner.number)
    guard after.generations[number] == planner.system, after.current == number else {
      throw Fault(.failed, "the image's profile is not at generation \(number) after the installation")
    }
    let valid = after.registered.valid
    for info in input.closure.paths
    where !valid.contains(info.path) || !after.storeNames.contains(info.path.name) {
      throw Fault(.failed, "the image does not have \(info.path) after the installation")
    }
    for (number, system) in planner.image.generations where after.generations[number] != system {
      throw Fault(.failed, "the image has lost its generation \(number) during the installation")
    }
  }

  // MARK: - The output

  private func export(
    _ sealed: Sealed, _ planner: AdditionPlanner, added: Int
  ) async throws -> AdditionResult {
    let plan = sealed.plan
    try await recorder.step(.export, detail: { _ in artefacts.format.rawValue }) {
      try await DiskExport(runner: site.runner, time: planner.time).export(
        raw: sealed.disk, as: plan.outputs.images, in: site.work)
    }
    let files = OutputFiles(outputs: plan.outputs, folder: site.folder)
    try files.writeProducts()
    let described = try await recorder.step(.digest) { try await files.describe() }
    try BuildReport(
      accelerator: plan.machine?.accelerator, start: recorder.start, steps: recorder.steps,
      warnings: recorder.warnings
    ).write(into: site.work)
    let number = try planner.number
    let manifest = try await manifest(sealed, planner, described, number)
    if let manifest {
      try HostFiles.write(manifest.json(), to: site.work.appending(Manifest.fileName))
    }
    return AdditionResult(
      profile: spec.profile, number: number, system: planner.system, addedPaths: added, files: described,
      hasManifest: manifest != nil)
  }

  /// The manifest of the build with the generation in it; nil without a build, and where the image's generations are not those that a
  /// manifest can tell, which are numbered from 1 on without a gap.
  private func manifest(
    _ sealed: Sealed, _ planner: AdditionPlanner, _ files: [Manifest.File], _ number: Int
  ) async throws -> Manifest? {
    guard var manifest, (manifest.generations?.profile ?? spec.profile) == spec.profile else { return nil }
    var systems = planner.image.generations
    systems[UInt64(number)] = planner.system
    let list = systems.sorted { $0.key < $1.key }
    guard list.map(\.key) == (0..<list.count).map({ UInt64($0) + 1 }) else { return nil }
    let plan = sealed.plan
    manifest.spec.systems = list.map(\.value)
    manifest.spec.currentGeneration = number == list.count ? nil : number
    manifest.spec.format = [artefacts.format]
    manifest.system = planner.system
    manifest.generations = Generations(profile: spec.profile, systems: list.map(\.value), current: number)
    manifest.time = planner.time
    (manifest.sealed, manifest.directPath) = (false, plan.directPath)
    manifest.images = plan.outputs.images.map(Manifest.Image.init)
    manifest.efiVariables = plan.outputs.efiVariables
    if manifest.efiVariables != nil { manifest.firmware = plan.machine?.firmware }
    manifest.efiVariableChanges = sealed.variables?.changes
    manifest.files = files
    manifest.tools = await ToolVersions.collect(for: plan)
    return manifest
  }
}

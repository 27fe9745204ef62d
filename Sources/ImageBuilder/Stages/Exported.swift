internal import BuildPlan
internal import ImageModel
internal import SystemPackage

/// The images in their formats, with everything that is beside them in the output folder.
struct Exported: Sendable {
  /// What came of the build, with the manifest that was written beside the artefacts.
  var result: BuildResult

  /// Converts the disk, runs `postVM`, which may change and add files, and then writes down what there is.
  ///
  /// - Parameters:
  ///   - spec: the spec as it was written, for the manifest.
  ///   - seed: what identifiers come from.
  /// - Throws: `Fault`, `CancellationError`.
  static func make(from checked: Checked, of spec: ImageSpec, seed: GUID, at site: BuildSite) async throws
    -> Exported
  {
    let plan = checked.plan
    let images = plan.outputs.images
    try await site.recorder.step(
      .export, detail: { _ in images.map(\.format.rawValue).joined(separator: ", ") }
    ) {
      try await DiskExport(runner: site.runner, time: plan.pour.time).export(
        raw: checked.disk, as: images, in: site.work)
    }
    let files = OutputFiles(outputs: plan.outputs, folder: site.folder)
    try files.writeProducts()
    if plan.postVM != nil {
      let places = ["diskImage": images.first?.file, "efiVars": plan.outputs.efiVariables]
      try await site.hook(
        "postVM", plan.postVM,
        environment: places.compactMapValues { $0.map { site.work.appending($0).string } })
      try files.updateProducts()
    }
    async let tools = ToolVersions.collect(for: plan)
    let described = try await describe(files, checked, at: site)
    let manifest = Manifest(
      spec: spec.withoutScripts, system: plan.system, generations: plan.generations, seed: seed,
      time: plan.pour.time,
      sealed: plan.directPath == nil, directPath: plan.directPath, disk: try plan.target,
      images: files.images.map(Manifest.Image.init),
      efiVariables: files.efiVariables, firmware: plan.machine?.firmware,
      efiVariableChanges: checked.changes, files: described, tools: await tools)
    try BuildReport(
      accelerator: plan.machine?.accelerator, start: site.recorder.start, steps: site.recorder.steps,
      warnings: site.recorder.warnings
    ).write(into: site.work)
    try HostFiles.write(manifest.json(), to: site.work.appending(Manifest.fileName))
    return Exported(
      result: BuildResult(
        manifest: manifest, loaders: checked.facts.loaders, rootFree: checked.facts.rootFree,
        accelerator: plan.machine?.accelerator))
  }

  private static func describe(
    _ files: OutputFiles, _ checked: Checked, at site: BuildSite
  ) async throws -> [Manifest.File] {
    var known: [String: String] = [:]
    // A script may have changed any file.
    if checked.plan.postVM == nil {
      for image in files.images where image.format == .raw { known[image.file] = checked.digest }
    }
    return try await site.recorder.step(.digest) { try await files.describe(known: known) }
  }
}

internal import Basics
internal import BuildPlan
internal import ImageModel
internal import SystemPackage

/// `build`: the image is built for the scenario, and gone after it.
struct BuildImageStep: ScenarioSource {
  static let key = "build"
  static let help = "Build the image. The keys are those of an image spec; a system may be $NAME."
  static let shape = ScenarioShape.spec

  let spec: ImageSpec

  init(_ value: YAMLValue) throws(ScenarioError) {
    do {
      spec = try ImageSpec(value.json)
      _ = try ResolvedSpec(spec)
    } catch {
      let key = error.key.prefix { $0 != "." }
      let line = value.entries.first { $0.key == key }?.line ?? value.line
      throw ScenarioError(line, "\(error.key): \(error.message)", remedy: error.remedy)
    }
    guard spec.onlyNixStore != true, spec.store != .host else {
      throw ScenarioError(value.line, "this image cannot be booted", remedy: "Build a whole system")
    }
  }

  var text: String { "build the image" }

  func image(at site: ScenarioSite) async throws -> BootRequest {
    let out = site.scratch.appending("image").string
    let log = site.keep?.appending("build.failed.log").string
    let request = BuildRequest(spec: spec, out: out, failureLog: log, machine: site.machine.withoutTemplate)
    do {
      _ = try await ImageBuilder(request, events: site.events).build()
    } catch var fault as Fault where log == nil {
      // What is in the scenario's own folder is gone with it.
      fault.log = nil
      throw fault
    }
    return BootRequest(folder: out)
  }
}

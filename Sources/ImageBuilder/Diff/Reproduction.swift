internal import Basics
public import BuildPlan
internal import SystemPackage

/// A build that is to be done once more.
public struct ReproduceRequest: Hashable, Sendable {
  /// The output folder of the build; its manifest names the rest.
  public var folder: String
  /// The scripts of the build, of which a manifest has digests alone. Its other keys are not looked at.
  public var scripts: ImageSpec
  /// The machine.
  public var machine: MachineChoice
  /// The appliance.
  public var appliance: ApplianceChoice

  /// Describes a reproduction.
  public init(
    folder: String, scripts: ImageSpec = ImageSpec(), machine: MachineChoice = MachineChoice(),
    appliance: ApplianceChoice = ApplianceChoice()
  ) {
    self.folder = folder
    self.scripts = scripts
    self.machine = machine
    self.appliance = appliance
  }
}

/// Builds an image again from its manifest, with the tools that are here, and compares.
public struct Reproduction: Sendable {
  private let request: ReproduceRequest
  private let events: BuildEventHandler

  /// Prepares a reproduction; nothing runs yet.
  ///
  /// - Parameter events: is told what happens, from any task.
  public init(_ request: ReproduceRequest, events: @escaping BuildEventHandler) {
    self.request = request
    self.events = events
  }

  /// Builds into a temporary folder, which is gone afterwards, and compares it with the folder.
  ///
  /// - Returns: how the folder, on the left, differs from what was built now. Tools of other versions are notes: they make no
  ///   difference where the bytes are the same.
  /// - Throws: `SpecError`, `Fault`, `CancellationError`.
  public func run() async throws -> ImageDifferences {
    let manifest = try Manifest.read(from: request.folder)
    let spec = try Self.spec(of: manifest, with: request.scripts)
    let folder = FilePath(request.folder).absolute
    return try await ScratchFolder.with("reproduce") { scratch in
      let out = scratch.appending("rebuilt")
      var build = BuildRequest(
        spec: spec, out: out.string, failureLog: scratch.appending("failed.log").string,
        machine: request.machine, appliance: request.appliance)
      build.repeated = manifest
      do {
        _ = try await ImageBuilder(build, events: events).build()
      } catch var fault as Fault {
        // It is gone with the folder.
        fault.log = nil
        throw fault
      }
      return Self.judged(try await ImageComparison(folder.string, out.string).run())
    }
  }

  /// The spec as it was written, with its scripts in the place of their digests.
  ///
  /// - Throws: `Fault` for a script that is missing, or is another one.
  static func spec(of manifest: Manifest, with scripts: ImageSpec) throws(Fault) -> ImageSpec {
    var spec = manifest.spec
    let digests = scripts.withoutScripts
    let keys: [(String, String, WritableKeyPath<ImageSpec, String?>)] = [
      ("preVM", "--pre-vm", \.preVM), ("postInstall", "--post-install", \.postInstall),
      ("postVM", "--post-vm", \.postVM),
    ]
    for (name, flag, key) in keys {
      guard spec[keyPath: key] != digests[keyPath: key] else {
        spec[keyPath: key] = scripts[keyPath: key]
        continue
      }
      let isMissing = scripts[keyPath: key] == nil
      throw Fault(
        .badInput,
        isMissing
          ? "the build had the script \(name), of which its manifest has the digest alone"
          : "this is not the script \(name) of the build",
        remedy: "Give the build's script with \(flag), and none where it had none")
    }
    return spec
  }

  /// Tools are named, and are no difference of what was built.
  static func judged(_ found: ImageDifferences) -> ImageDifferences {
    var result = found
    func isTool(_ difference: ImageDifference) -> Bool {
      difference.region == Manifest.fileName && difference.field.hasPrefix("tools.")
    }
    result.differences.removeAll(where: isTool)
    if !result.isEmpty {
      result.notes += found.differences.filter(isTool).map {
        "\($0.field.dropFirst("tools.".count)) was \($0.left ?? "not there"), and is \($0.right ?? "not there")"
      }
    }
    return result
  }
}

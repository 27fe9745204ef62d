internal import AgentProtocol
internal import Basics
internal import BuildPlan
internal import ImageModel

/// A step of a build or of a verification: a name for programs, and for people what is done, and where.
public struct BuildStep: Hashable, Sendable {
  /// The name in JSON progress, in the output of `--verbose` and in `log/build.json`. It stays the same from version to
  /// version, and several steps of a build may have it.
  public let name: String
  /// What is done, such as "mount /boot".
  public let what: String
  /// Where that is done, such as "ESP"; nil where there is one place only.
  public let place: String?

  private init(_ name: String, _ what: String, on place: String? = nil) {
    self.name = name
    self.what = what
    self.place = place
  }

  /// What is done and where, for people.
  public var text: String { place.map { "\(what) on \($0)" } ?? what }
}

/// The steps of the host.
extension BuildStep {
  static let closure = BuildStep("closure", "read the closure")
  static let image = BuildStep("image", "copy the image")
  static let contents = BuildStep("contents", "read the image")
  static let result = BuildStep("result", "read the image again")
  static let appliance = BuildStep("appliance", "get the appliance")
  static let pour = BuildStep("pour", "write the store")
  static let boot = BuildStep("boot", "boot the installer")
  static let save = BuildStep("save", "save the machine")
  static let powerOff = BuildStep("powerOff", "power the installer off")
  static let merge = BuildStep("merge", "merge the installer's writes")
  static let seal = BuildStep("seal", "write the final disk")
  static let export = BuildStep("export", "export the disk")
  static let secondBuild = BuildStep("secondBuild", "build a second time and compare")
  static let diskDigest = BuildStep("digest", "digest the disk")
  static let digest = BuildStep("digest", "digest the files")
  static let bootImage = BuildStep("boot", "boot the image")

  /// One boot of several.
  ///
  /// - Parameter entry: the identifier of a boot entry, which may be anybody's text.
  static func boot(entry: String) -> BuildStep { BuildStep("boot", "boot \(TerminalText.escaped(entry))") }

  /// - Parameter key: `preVM` or `postVM`.
  static func hook(_ key: String) -> BuildStep { BuildStep(key, "run \(key)") }

  /// - Parameters:
  ///   - key: the kind of a scenario's step.
  ///   - what: what it is called.
  static func scenario(_ key: String, _ what: String) -> BuildStep { BuildStep(key, what) }
}

/// The steps of the guest.
extension BuildStep {
  /// - Parameter generations: those of the plan; of several, a step says which one it is about.
  init(_ step: InstallStep, on disks: [PlannedDisk], of generations: Generations? = nil) {
    switch step {
    case .partitionDisk(_, let layout):
      self.init(step.name, "write the \(layout.table.rawValue.uppercased()) partition table")
    case .adoptDisk: self.init(step.name, "take the disk's partitions")
    case .makeFilesystem(let device, let filesystem, _):
      let (place, label) = (Self.name(of: device, on: disks), filesystem.label)
      self.init(
        step.name, "make \(filesystem.kind.rawValue)",
        on: label.isEmpty || label == place ? place : "\(place) (\(label))")
    case .mountFilesystem(let device, let filesystem):
      self.init(
        step.name, "mount \(filesystem.mountPoint ?? "")", on: Self.name(of: device, on: disks))
    case .copyTree: self.init(step.name, "copy the store", on: "root")
    case .addStorePaths: self.init(step.name, "add the store paths", on: "root")
    case .setSystemProfile(let system, _, _, _):
      let generation = generations?.name(of: system).map { " to \($0)" } ?? ""
      self.init(step.name, "set the system profile\(generation)")
    case .activate: self.init(step.name, "activate the system")
    case .setOwners: self.init(step.name, "set owners")
    case .installBootLoader(let system, _, _, _, _, _):
      let generation = generations?.name(of: system).map { " of \($0)" } ?? ""
      self.init(step.name, "install the bootloader\(generation) (switch-to-configuration boot)")
    case .runScript: self.init(step.name, "run postInstall")
    case .writeBack: self.init(step.name, "write back what was added")
    case .finish, .unmount: self.init(step.name, "unmount the disk")
    case .handOver: self.init(step.name, "hand over what was installed")
    }
  }

  /// A partition by its name where it has one, as in a GPT.
  private static func name(of device: BlockDevice, on disks: [PlannedDisk]) -> String {
    if let name = disks.partition(device)?.name, !name.isEmpty { return name }
    return switch device {
    case .disk: "the disk"
    case .partition(_, let number): "partition \(number)"
    }
  }
}

extension Generations {
  /// A system's generation for people; nil where there is no other.
  fileprivate func name(of system: String) -> String? {
    systems.count > 1 ? number(of: system).map { "generation \($0)" } : nil
  }
}

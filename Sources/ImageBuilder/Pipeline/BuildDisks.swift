internal import BuildPlan
internal import Command
internal import ImageModel
internal import SystemPackage

/// The disks of one build, as files of its work folder.
///
/// What is poured into the target stays as it is while a guest runs: its writes go to an overlay.
struct BuildDisks: Sendable {
  private let plan: BuildPlan
  private let work: FilePath

  init(_ plan: BuildPlan, in work: FilePath) {
    self.plan = plan
    self.work = work
  }

  /// What becomes the image: as large as the plan says.
  var target: FilePath { file(.target) }
  /// What the tree is poured into.
  var poured: FilePath { file(plan.disks[plan.pour.device]?.role ?? .source) }

  private var overlay: FilePath { work.appending("target.qcow2") }
  /// What is poured, or sealed later, is not for the guest to write to.
  private var hasOverlay: Bool { plan.machine != nil && (plan.poursIntoTarget || plan.handover != nil) }
  /// What the guest hands over.
  var handover: FilePath { file(.handover) }

  /// The target's name in the work folder.
  static let targetName = "\(PlannedDisk.Role.target.rawValue).raw"

  private func file(_ role: PlannedDisk.Role) -> FilePath { work.appending("\(role.rawValue).raw") }

  /// Makes them, blank, but for a target that is the copy of an image.
  ///
  /// - Throws: `Fault`.
  func make() async throws {
    for disk in plan.disks where disk.role != .target || !plan.addsGeneration {
      try HostFiles.makeSparseFile(file(disk.role), bytes: disk.size.bytes)
    }
    guard hasOverlay else { return }
    try await image(
      "make an overlay over the target",
      ["create", "-q", "-f", "qcow2", "-b", "target.raw", "-F", "raw", "target.qcow2"])
  }

  /// A disk of the guest, in the words of the template of a disk.
  struct Device {
    let role: PlannedDisk.Role
    let serial: String
    let placeholders: [String: String]
  }

  /// The kernel names disks in the order in which they are plugged in: the target is its first.
  private static let names: [(role: PlannedDisk.Role, name: String)] = [
    (.target, "vda"), (.source, "vdb"), (.scratch, "vdc"), (.handover, "vdd"),
  ]

  /// The guest's disks, in the order in which they are plugged in.
  ///
  /// - Throws: `Fault`.
  var devices: [Device] {
    get throws {
      let sectorSize = DomainValues.sectorSize(try plan.target.sectorSize)
      return Self.names.compactMap { role, name in
        guard let disk = plan.disks.first(where: { $0.role == role }) else { return nil }
        let isOverlay = role == .target && hasOverlay
        return Device(
          role: role, serial: disk.serial,
          placeholders: [
            "file": isOverlay ? overlay.string : file(role).string, "format": isOverlay ? "qcow2" : "raw",
            "sectorSize": role == .target ? sectorSize : "", "device": name,
            "isReadOnly": role == .source ? "yes" : "", "serial": disk.serial,
          ])
      }
    }
  }

  /// The disks in the words of a domain template that has them in place when the guest starts.
  ///
  /// - Throws: `Fault`.
  var placeholders: [String: String] {
    get throws {
      func serial(_ role: PlannedDisk.Role) -> String { plan.disks.first { $0.role == role }?.serial ?? "" }
      return [
        "targetDisk": hasOverlay ? overlay.string : target.string,
        "targetFormat": hasOverlay ? "qcow2" : "raw", "targetSerial": serial(.target),
        "sourceDisk": serial(.source).isEmpty ? "" : file(.source).string, "sourceSerial": serial(.source),
        "scratchDisk": serial(.scratch).isEmpty ? "" : file(.scratch).string,
        "scratchSerial": serial(.scratch),
        "handoverDisk": serial(.handover).isEmpty ? "" : handover.string, "handoverSerial": serial(.handover),
        "sectorSize": DomainValues.sectorSize(try plan.target.sectorSize),
      ]
    }
  }

  /// Removes what the guest wrote, once the target is made without it.
  ///
  /// - Throws: `Fault`.
  func removeGuestWrites() throws {
    try HostFiles.remove(overlay)
    try HostFiles.remove(handover)
  }

  /// Removes what only the guest needed.
  ///
  /// - Throws: `Fault`.
  func removeAllButTarget() throws {
    for disk in plan.disks where disk.role != .target && disk.role != .handover {
      try HostFiles.remove(file(disk.role))
    }
  }

  /// Writes what the guest wrote onto the target; nothing without an overlay.
  ///
  /// - Throws: `Fault`.
  func merge(_ recorder: StepRecorder) async throws {
    guard hasOverlay else { return }
    try await recorder.step(.merge) {
      try await image(
        "write the guest's changes to the target", ["commit", "-q", "-d", "-f", "qcow2", "target.qcow2"])
    }
    try HostFiles.remove(overlay)
  }

  private func image(_ attempt: String, _ arguments: [String]) async throws {
    try await HostCommand(attempt: attempt, place: work, package: "qemu-utils").run {
      try await SubprocessRunner().run(ToolFolder(path: work).command("qemu-img", arguments))
    }
  }
}

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

  private func file(_ role: PlannedDisk.Role) -> FilePath { work.appending("\(role.rawValue).raw") }

  /// Makes them, blank.
  ///
  /// - Throws: `Fault`.
  func make() async throws {
    for disk in plan.disks { try HostFiles.makeSparseFile(file(disk.role), bytes: disk.size.bytes) }
    guard hasOverlay else { return }
    try await image(
      "make an overlay over the target",
      ["create", "-q", "-f", "qcow2", "-b", "target.raw", "-F", "raw", "target.qcow2"])
  }

  /// The disks in a domain template's words.
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

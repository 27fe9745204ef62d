internal import Basics
internal import BuildPlan
internal import ImageModel
internal import SystemPackage

/// Room on this machine's filesystems: looked at before a build, and again when one has failed.
enum HostSpace {
  /// - Throws: `Fault` when the filesystem of the work folder has less than a build writes.
  static func check(for prepared: Prepared, at folder: FilePath) throws {
    let need = need(of: prepared)
    guard ByteSize(bytes: try HostFiles.freeSpace(at: folder)) < need else { return }
    let place = folder.removingLastComponent()
    let full = FullFilesystem(of: place, need: need.bytes)
    throw Fault(.failed, "there is no room for the build: \(full)", remedy: full.remedy)
  }

  /// The disks, and what a conversion writes again.
  private static func need(of prepared: Prepared) -> ByteSize {
    let conversions = prepared.plan.outputs.images.count { $0.format != .raw }
    // What is handed over has nothing of the store.
    let copies = prepared.plan.disks.count { $0.role != .handover } + conversions
    return .mebibytes(256) + ByteSize(prepared.need.content.bytes, times: UInt64(copies))
  }

  /// An error whose cause is that the filesystem of the work folder is full, told as that. To be asked before the
  /// folder is removed.
  ///
  /// Much fails when there is no room, and most of it in other words: the guest's disk, the pour.
  static func explained(_ error: Fault, in folder: FilePath) -> Fault {
    let words = [Errno.noSpace.description, Errno.diskQuotaExceeded.description]
    let says = words.contains { error.message.contains($0) }
    // Bad input is bad input on a full disk, too, unless its words are those of a full disk.
    guard FullFilesystem.isFull(folder), says || error.kind == .failed else { return error }
    let full = FullFilesystem(of: folder.removingLastComponent())
    guard !error.message.contains("\(full.mountPoint)") || !error.message.contains("is full") else {
      return error
    }
    return Fault(
      .failed, "the build could not be written: \(full)", remedy: full.remedy,
      evidence: [error.message] + error.evidence)
  }
}

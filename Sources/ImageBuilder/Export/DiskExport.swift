internal import BuildPlan
internal import Command
internal import ImageModel
internal import SystemPackage

/// Turns the finished raw disk into the image that was asked for.
struct DiskExport {
  let runner: any CommandRunner

  /// Writes `format` from the raw disk to `image`. The raw disk is gone afterwards.
  ///
  /// - Throws: `BuildError` with the failed command, when the conversion fails.
  func export(raw disk: FilePath, as format: ImageFormat, to image: FilePath) async throws {
    guard format != .raw else {
      try FileSystem.rename(disk, to: image)
      return
    }
    do {
      try await runner.run(conversion(of: disk, as: format, to: image))
    } catch let failure as CommandFailure {
      throw BuildError(
        .failed, "the disk could not be converted to \(format.rawValue): \(failure.summary)",
        remedy: "If the host's disk is full, free some space beside the output folder",
        details: failure.evidence)
    }
    try FileSystem.remove(disk)
  }

  /// The input's format is always given: a guest could have written another format's header into a raw disk
  /// (CVE-2010-3851). Never `-W`: out-of-order writes make the result differ from run to run.
  func conversion(of disk: FilePath, as format: ImageFormat, to image: FilePath) -> Command {
    let options =
      switch format {
      case .compressedQcow2: ["-c", "-o", "compression_type=zstd"]
      // Without it the size is rounded to whole cylinders.
      case .vpc: ["-o", "force_size=on"]
      case .raw, .qcow2, .vdi: [String]()
      }
    return Command(
      "qemu-img",
      ["convert", "-f", "raw", "-O", format.qemuName] + options + [disk.string, image.string])
  }
}

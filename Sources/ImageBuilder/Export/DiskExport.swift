internal import BuildPlan
internal import Command
internal import Foundation
internal import ImageModel
internal import SystemPackage

/// Turns the finished raw disk into the images that were asked for.
struct DiskExport {
  let runner: any CommandRunner

  /// Finds out whether the tools are there, before they are needed.
  ///
  /// - Throws: `BuildError` of kind `hostNotAble`.
  func check(_ images: [OutputImage]) async throws {
    guard images.contains(where: { $0.format == .compressedRaw }) else { return }
    do {
      try await runner.run("zstd", "--version")
    } catch let failure as CommandFailure {
      throw BuildError(
        .hostNotAble, "an image cannot be compressed: \(failure.summary)", remedy: "Install zstd")
    }
  }

  /// Writes the images from the raw disk into its `folder`, side by side. The raw disk is gone afterwards.
  ///
  /// - Throws: `BuildError` with the failed command, when a conversion fails.
  func export(raw disk: FilePath, as images: [OutputImage], in folder: FilePath) async throws {
    try await withThrowingTaskGroup { group in
      for image in images where image.format != .raw {
        group.addTask { try await convert(disk, to: image, at: folder.appending(image.file)) }
      }
      try await group.waitForAll()
    }
    if let image = images.first(where: { $0.format == .raw }) {
      try FileSystem.rename(disk, to: folder.appending(image.file))
    } else {
      try FileSystem.remove(disk)
    }
  }

  private func convert(_ disk: FilePath, to image: OutputImage, at place: FilePath) async throws {
    let tools = ToolFolder(path: disk.removingLastComponent())
    do {
      let name = "./" + (disk.lastComponent?.string ?? "")
      try await runner.run(conversion(of: name, as: image.format, to: "./\(image.file)", in: tools))
    } catch let failure as CommandFailure {
      throw BuildError(
        .failed, "the disk could not be converted to \(image.format.rawValue): \(failure.summary)",
        remedy: "If the host's disk is full, free some space beside the output folder",
        details: failure.evidence)
    }
    try ImageIdentity(identifier: image.identifier, time: Planner.clock).write(to: place, image.format)
  }

  /// The input's format is always given: a guest could have written another format's header into a raw disk
  /// (CVE-2010-3851). Never `-W`: out-of-order writes make the result differ from run to run.
  private func conversion(
    of disk: String, as format: ImageFormat, to image: String, in tools: ToolFolder
  ) -> Command {
    // Any number of threads gives the same bytes, but for --single-thread, which cuts the input in another way.
    guard format != .compressedRaw else {
      return tools.command("zstd", ["-q", "-3", "-T0", disk, "-o", image])
    }
    let options =
      switch format {
      case .compressedQcow2: ["-c", "-o", "compression_type=zstd"]
      // Without it the size is rounded to whole cylinders.
      case .vpc: ["-o", "force_size=on"]
      // What VMware and VirtualBox run, and write to, as it is; streamOptimized is for transport alone.
      case .vmdk: ["-o", "subformat=monolithicSparse"]
      case .raw, .compressedRaw, .qcow2, .vdi, .vhdx: [String]()
      }
    return tools.command(
      "qemu-img", ["convert", "-f", "raw", "-O", format.qemuName] + options + [disk, image])
  }

  /// Unpacks a `raw.zst` in a folder of tools into a raw disk with holes, with the mode of the image.
  static func unpacking(_ image: String, to disk: String, in tools: ToolFolder) -> Command {
    // By force alone it follows a link.
    tools.command("zstd", ["-q", "-d", "-f", "--sparse", image, "-o", disk])
  }
}

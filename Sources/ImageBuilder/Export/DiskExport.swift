internal import BuildPlan
internal import Command
internal import Foundation
internal import HostProbe
internal import ImageModel
internal import SystemPackage

/// Turns the finished raw disk into the images that were asked for, and packed images into raw disks.
struct DiskExport {
  let runner: any CommandRunner

  /// Finds out whether the tools for these formats are there, before they are needed.
  ///
  /// - Throws: `BuildError` of kind `hostNotAble`.
  func check(_ formats: [ImageFormat]) async throws {
    for tool in formats.flatMap(\.tools) {
      do {
        try await runner.run(tool.name, "--version")
      } catch let failure as CommandFailure {
        let format = formats.first { $0.tools.contains(tool) }?.rawValue ?? ""
        throw BuildError(
          .hostNotAble, "the format \(format) needs \(tool.name): \(failure.summary)",
          remedy: "Install it (\(tool.remedy))")
      }
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
    let command = HostCommand(
      attempt: "convert the disk to \(image.format.rawValue)", place: place,
      package: image.format == .compressedRaw ? "zstd" : "qemu-utils")
    try await command.run {
      let name = "./" + (disk.lastComponent?.string ?? "")
      try await runner.run(conversion(of: name, as: image.format, to: "./\(image.file)", in: tools))
    }
    try ImageIdentity(identifier: image.identifier, time: ResolvedSpec.time).write(to: place, image.format)
  }

  /// The input's format is always given: a guest could have written another format's header into a raw disk
  /// (CVE-2010-3851). Never `-W`: out-of-order writes make the result differ from run to run.
  private func conversion(
    of disk: String, as format: ImageFormat, to image: String, in tools: ToolFolder
  ) -> Command {
    let options: [String]
    switch format {
    case .archivedRaw: return DiskArchive(tools: tools).packing(disk, into: image)
    case .compressedRaw:
      // Any number of threads gives the same bytes, but for --single-thread, which cuts the input in another way.
      return tools.command("zstd", ["-q", "-3", "-T0", disk, "-o", image])
    case .compressedQcow2: options = ["-c", "-o", "compression_type=zstd"]
    // Without force_size the size is rounded to whole cylinders.
    case .vpc: options = ["-o", "force_size=on"]
    case .fixedVPC: options = ["-o", "subformat=fixed,force_size=on"]
    // What VMware and VirtualBox run, and write to, as it is.
    case .vmdk: options = ["-o", "subformat=monolithicSparse"]
    // vSphere attaches a disk that says "ide" to no SCSI controller.
    case .streamVMDK: options = ["-o", "subformat=streamOptimized,adapter_type=lsilogic"]
    case .raw, .qcow2, .vdi, .vhdx: options = []
    }
    return tools.command(
      "qemu-img", ["convert", "-f", "raw", "-O", format.qemuName] + options + [disk, image])
  }

  /// Unpacks an image of a packed format, in a folder of tools, into a raw disk with holes and the mode of the image.
  ///
  /// - Throws: `BuildError`; `CommandFailure`.
  func unpack(_ image: String, _ format: ImageFormat, to disk: String, in tools: ToolFolder) async throws {
    try await check([format])
    if format == .archivedRaw {
      try await DiskArchive(tools: tools).unpack(image, to: disk, by: runner)
    } else {
      // By force alone it follows a link.
      try await runner.run(tools.command("zstd", ["-q", "-d", "-f", "--sparse", image, "-o", disk]))
    }
  }
}

extension ImageFormat {
  /// What writes and reads it on the host.
  var tools: [ExternalTool] {
    switch self {
    case .raw: []
    case .compressedRaw: [.zstd]
    case .archivedRaw: [.tar, .gzip]
    case .qcow2, .compressedQcow2, .vdi, .vpc, .fixedVPC, .vmdk, .streamVMDK, .vhdx: [.qemuImage]
    }
  }
}

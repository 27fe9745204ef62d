internal import Basics
internal import BuildPlan
internal import Command
internal import Foundation
internal import HostProbe
internal import ImageModel
internal import SystemPackage

/// Turns the finished raw disk into the images that were asked for, and packed images into raw disks.
struct DiskExport {
  let runner: any CommandRunner
  /// The time that images say they were made, in seconds since 1970.
  var time = ResolvedSpec.fixedTime
  /// The largest disk that is unpacked, in bytes: as large as a file on ext4 can be. A small file may say that it is a disk
  /// of any size.
  var largestUnpacked: UInt64 = 16 << 40

  /// Finds out whether the tools for these formats are there, before they are needed.
  ///
  /// - Throws: `Fault` of kind `hostNotAble`.
  func check(_ formats: [ImageFormat]) async throws {
    for tool in formats.flatMap(\.tools) {
      do {
        try await runner.run(tool.name, "--version")
      } catch let failure as CommandFailure {
        let format = formats.first { $0.tools.contains(tool) }?.rawValue ?? ""
        throw Fault(
          .hostNotAble, "the format \(format) needs \(tool.name): \(failure.summary)",
          remedy: "Install it (\(tool.remedy))")
      }
    }
  }

  /// Writes the images from the raw disk into its `folder`, side by side. The raw disk is gone afterwards.
  ///
  /// - Throws: `Fault` with the failed command, when a conversion fails.
  func export(raw disk: FilePath, as images: [OutputImage], in folder: FilePath) async throws {
    try await withThrowingTaskGroup { group in
      for image in images where image.format != .raw {
        group.addTask { try await convert(disk, to: image, at: folder.appending(image.file)) }
      }
      try await group.waitForAll()
    }
    if let image = images.first(where: { $0.format == .raw }) {
      try HostFiles.rename(disk, to: folder.appending(image.file))
    } else {
      try HostFiles.remove(disk)
    }
  }

  private func convert(_ disk: FilePath, to image: OutputImage, at place: FilePath) async throws {
    let tools = ToolFolder(path: disk.removingLastComponent())
    let command = HostCommand(
      attempt: "convert the disk to \(image.format.rawValue)", place: place,
      package: image.format.tools.first?.debianPackage ?? "qemu-utils")
    try await command.run {
      let name = "./" + (disk.lastComponent?.string ?? "")
      try await runner.run(conversion(of: name, as: image.format, to: "./\(image.file)", in: tools))
    }
    try ImageIdentity(identifier: image.identifier, time: time).write(to: place, image.format)
  }

  /// The input's format is always given: a guest could have written another format's header into a raw disk
  /// (CVE-2010-3851). Never `-W`: out-of-order writes make the result differ from run to run.
  private func conversion(
    of disk: String, as format: ImageFormat, to image: String, in tools: ToolFolder
  ) -> Command {
    switch format.packing {
    case .tar: return DiskArchive(tools: tools, time: time).packing(disk, into: image)
    case .zstd:
      // Any number of threads gives the same bytes, but for --single-thread, which cuts the input in another way.
      return tools.command("zstd", ["-q", "-3", "-T0", disk, "-o", image])
    case nil: break
    }
    return tools.command(
      "qemu-img",
      ["convert", "-f", "raw", "-O", format.qemuName] + format.conversionOptions + [disk, image])
  }

  /// Unpacks an image of a packed format, in a folder of tools, into a raw disk with holes and the mode of the image.
  ///
  /// - Throws: `Fault`; `CommandFailure`.
  func unpack(_ image: String, _ format: ImageFormat, to disk: String, in tools: ToolFolder) async throws {
    try await check([format])
    let unpacking =
      format.packing == .tar
      ? try await DiskArchive(tools: tools).unpacking(image, by: runner)
      : tools.command("zstd", ["-q", "-d", "-c"])
    // What says how large it is may lie, so what comes out is counted: one block more than there may be tells. Blocks of
    // zeros are not written.
    let script = """
      set -o pipefail; input=$1 output=$2 count=$3; shift 3
      "$@" <"$input" | dd "of=$output" bs=1M iflag=fullblock conv=sparse "count=$count" status=none
      """
    let words = [image, disk, "\(largestUnpacked >> 20 + 1)", unpacking.executable] + unpacking.arguments
    let file = tools.path.appending(disk)
    var failure: CommandFailure?
    do {
      try await runner.run(
        tools.command("bash", ["-c", script, "bash"] + words, environment: unpacking.environment))
    } catch let error as CommandFailure {
      failure = error
    }
    guard (try? FileStatus(of: file))?.size ?? 0 <= largestUnpacked else {
      try? HostFiles.remove(file)
      throw Fault(
        .badInput,
        "the image unpacks to more than \(ByteSize(bytes: largestUnpacked)), and larger disks are not read",
        remedy: "Check where it is from; unpack it by hand where it is to be trusted")
    }
    if let failure { throw failure }
    // Nobody can read it who cannot read the image.
    guard let mode = (try? FileStatus(of: tools.path.appending(image)))?.mode,
      file.withPlatformString({ chmod($0, mode & 0o666) }) == 0
    else { throw Fault(PathFailure("set the mode of", file, Errno(rawValue: errno))) }
  }
}

extension ImageFormat {
  /// What writes and reads it on the host.
  var tools: [ExternalTool] {
    switch packing {
    case .zstd: [.zstd]
    case .tar: [.tar, .gzip]
    case nil: self == .raw ? [] : [.qemuImage]
    }
  }
}

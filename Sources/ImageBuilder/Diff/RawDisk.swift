internal import Basics
internal import Command
internal import ImageModel
internal import SystemPackage

/// Makes the disk of an image from outside readable as it is.
enum RawDisk {
  /// Gives the image's disk a name in a folder of tools: a link to a raw image, or a raw copy with holes of another one.
  ///
  /// - Throws: `Fault` for an image that is not whole, or not of its format; `CancellationError`.
  static func make(of file: FilePath, _ format: ImageFormat, as name: String, in tools: ToolFolder)
    async throws
  {
    let path = try RegularFile.check(file)
    try SelfContainedImage.check(path, format)
    guard format != .raw else { return try tools.link(path, as: name) }
    let runner = SubprocessRunner()
    let image = "\(name).image"
    try tools.link(path, as: image)
    let command = HostCommand(
      attempt: "read \(file) as \(format.rawValue)", place: tools.path, package: "qemu-utils", kind: .badInput
    )
    try await command.run {
      if format.isPacked {
        try await DiskExport(runner: runner).unpack(image, format, to: name, in: tools)
      } else {
        // Made by qemu-img it would be everybody's to read where the folder is not this user's alone.
        try await runner.run(
          tools.command("qemu-img", ["convert", "-f", format.qemuName, "-O", "raw", image, name]))
      }
    }
  }
}

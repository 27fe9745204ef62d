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
    guard format == .raw else { return try await copy(of: file, format, as: name, in: tools) }
    try tools.link(checked(file, format), as: name)
  }

  /// Makes a raw copy with holes of an image's disk in a folder of tools.
  ///
  /// - Throws: as `make`.
  static func copy(of file: FilePath, _ format: ImageFormat, as name: String, in tools: ToolFolder)
    async throws
  {
    let path = try checked(file, format)
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
    try HostFiles.remove(tools.path.appending(image))
  }

  private static func checked(_ file: FilePath, _ format: ImageFormat) throws -> FilePath {
    let path = try RegularFile.check(file)
    try SelfContainedImage.check(path, format)
    return path
  }
}

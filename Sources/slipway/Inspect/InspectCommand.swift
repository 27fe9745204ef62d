internal import ArgumentParser
internal import Basics
internal import ImageBuilder
internal import ImageModel

/// `slipway inspect`
struct InspectCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Show what an image has and what of it will not boot: partitions, boot entries, generations.",
    discussion: """
      The image does not have to be Slipway's, and is neither trusted nor written to. Filesystems other than ext2 to ext4 \
      and FAT are read by libguestfs, where it is installed.
      """)

  @Argument(
    help: ArgumentHelp("The image, or the output folder of a build.", valueName: "image"), completion: .file()
  )
  var image: String

  @Option(
    help: "EFI variable store that belongs to it. (default: that of the output folder)", completion: .file())
  var efiVars: String?

  @Option(help: "Format of the image. (default: by its extension)")
  var format: ImageFormat?

  @Flag(help: "Print all of it as JSON.")
  var json = false

  @Flag(help: "Print a page in HTML that needs no other file.")
  var html = false

  func validate() throws {
    guard !json || !html else { throw ValidationError("Give --json or --html, not both.") }
  }

  func run() async throws {
    let inspection = ImageInspection(image, variables: efiVars, format: format)
    let report = try await cancellingOnSignals { try await inspection.run() }
    if json {
      try DataOutput.standard.write(json: InspectText.json(report))
    } else if html {
      try DataOutput.standard.write(bytes: Array(InspectPage.html(report).utf8))
    } else {
      try DataOutput.standard.write(lines: InspectText.lines(report))
    }
    for note in json || html ? [] : report.notes { ProgressOutput.standardError.write(line: "note: \(note)") }
  }
}

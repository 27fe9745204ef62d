internal import ArgumentParser
internal import Basics
internal import EFIVariables
internal import ImageBuilder
internal import ImageModel

/// `slipway efivars check`
struct EFIVarsCheckCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Check that the boot entries of a store fit the disk of an image.",
    discussion: """
      Each entry's partition must be there, with that GUID, start and size; its file must be on it; BootOrder and \
      BootNext must name entries that are there.
      """)

  @Argument(help: ArgumentHelp("Variable store.", valueName: "store"))
  var store: String

  @Option(help: ArgumentHelp("Image of the disk.", valueName: "file"))
  var image: String

  @Option(help: "Format of --image. (default: by its extension)")
  var format: ImageFormat?

  func run() async throws {
    let store = try await VariableStoreFile(store).read()
    let disk = try await cancellingOnSignals { try await BootDiskReader().read(image: image, format: format) }
    let check = DiskCheck(of: store, on: disk)
    guard check.problems.isEmpty else {
      throw Fault(.failed, "\(self.store) does not fit \(image)", evidence: check.problems)
    }
    let entries = check.good.map { "\(VariableKey.boot($0).name)  \(store[.boot($0)]?.text ?? "")" }
    let count = check.good.count
    let summary = "OK: \(count) boot \(count == 1 ? "entry matches" : "entries match")"
    try DataOutput.standard.write(lines: entries + [summary])
  }
}

internal import ArgumentParser
internal import Basics
internal import EFIVariables
internal import ImageBuilder

/// `slipway efivars import`
struct EFIVarsImportCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import",
    abstract: "Make a store with the variables that a hypervisor kept itself.",
    discussion: """
      The file is one that 'export' writes, told by its content. Volatile variables, which no flash has, are left out.
      """)

  @Argument(help: ArgumentHelp("File of the hypervisor's, or - for standard input.", valueName: "file"))
  var file: String

  @Option(
    help: ArgumentHelp("Store to take the layout from, such as the firmware's template.", valueName: "store"))
  var template: String

  @OptionGroup var aws: AWSOptions

  @Option(name: .shortAndLong, help: ArgumentHelp("File to make.", valueName: "file"))
  var out: String

  func run() async throws {
    let count = try await VariableStoreFile(template)
      .importing(file, dictionary: aws.awsDictionary, into: out)
    let rest = count.volatile == 0 ? "" : ", \(count.volatile) volatile left out"
    try DataOutput.standard.write(lines: ["\(count.kept) variables imported\(rest)"])
  }
}

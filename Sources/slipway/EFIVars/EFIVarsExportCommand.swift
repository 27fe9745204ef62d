internal import ArgumentParser
internal import Basics
internal import EFIVariables
internal import ImageBuilder

/// `slipway efivars export`
struct EFIVarsExportCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Write the variables of a store for a hypervisor that keeps them itself.",
    discussion: """
      aws is the UefiData of EC2's API; qemu-json the file of QEMU's device uefi-vars. What a format has no place for, \
      and firmware needs, is refused with the variable's name.
      """)

  @Argument(help: ArgumentHelp("Variable store.", valueName: "store"))
  var store: String

  @Option(help: "Format to write.")
  var format: HypervisorFormat

  @OptionGroup var aws: AWSOptions

  @Option(
    name: .shortAndLong, help: ArgumentHelp("File to make. (default: standard output)", valueName: "file"))
  var out: String?

  func run() async throws {
    let bytes = try await VariableStoreFile(store).exported(as: format, dictionary: aws.awsDictionary)
    if let out {
      try VariableStoreFile.write(bytes, to: out, notMorePublicThan: [store])
    } else {
      // Base64 has nothing that JSON escapes.
      try DataOutput.standard.write(json: String(decoding: bytes, as: UTF8.self))
    }
  }
}

/// What AWS's format needs beside it.
struct AWSOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "AWS's preset dictionary, such as virt/firmware/aws/dict.v0 of virt-firmware.", valueName: "file")
  )
  var awsDictionary: String?
}

extension HypervisorFormat: ExpressibleByArgument {}

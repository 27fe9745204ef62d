public import ArgumentParser
internal import Basics
internal import BuildPlan
internal import Foundation
internal import ImageBuilder
public import ImageModel

extension ImageFormat: ExpressibleByArgument {}

extension GUID: ExpressibleByArgument {
  /// Reads a flag's value.
  public init?(argument: String) {
    self.init(argument)
  }
}

/// The image spec: a file, and flags that go over its keys.
struct SpecOptions: ParsableArguments {
  @Argument(
    help: ArgumentHelp("JSON file with the image spec; - for standard input.", valueName: "spec.json"))
  var file: String?

  @OptionGroup(title: SpecGroup.system.title) var system: SpecFlags<System>
  @OptionGroup(title: SpecGroup.disk.title) var disk: SpecFlags<Disk>
  @OptionGroup(title: SpecGroup.partitions.title) var partitions: SpecFlags<Partitions>
  @OptionGroup(title: SpecGroup.contents.title) var contents: SpecFlags<Contents>
  @OptionGroup(title: SpecGroup.firmware.title) var firmware: SpecFlags<Firmware>
  @OptionGroup(title: SpecGroup.secureBoot.title) var secureBoot: SpecFlags<SecureBoot>
  @OptionGroup(title: SpecGroup.machine.title) var machine: SpecFlags<Machine>
  @OptionGroup(title: SpecGroup.output.title) var output: SpecFlags<Output>
  @OptionGroup(title: SpecGroup.hooks.title) var hooks: SpecFlags<Hooks>

  enum System: SpecFlagGroup { static let group = SpecGroup.system }
  enum Disk: SpecFlagGroup { static let group = SpecGroup.disk }
  enum Partitions: SpecFlagGroup { static let group = SpecGroup.partitions }
  enum Contents: SpecFlagGroup { static let group = SpecGroup.contents }
  enum Firmware: SpecFlagGroup { static let group = SpecGroup.firmware }
  enum SecureBoot: SpecFlagGroup { static let group = SpecGroup.secureBoot }
  enum Machine: SpecFlagGroup { static let group = SpecGroup.machine }
  enum Output: SpecFlagGroup { static let group = SpecGroup.output }
  enum Hooks: SpecFlagGroup { static let group = SpecGroup.hooks }

  /// The file's spec with the flags over it.
  func spec() throws -> ImageSpec {
    let given =
      system.given + disk.given + partitions.given + contents.given + firmware.given + secureBoot.given
      + machine.given + output.given + hooks.given
    return try readFile().overridden(by: Self.spec(of: given))
  }

  /// What flags ask for.
  static func spec(of given: [(flag: SpecFlag, value: SpecValue)]) throws -> ImageSpec {
    let flags = try given.reduce(SpecValue.object([:])) { spec, flag in
      spec.setting(flag.flag.path[...], to: try withScript(flag.flag, flag.value))
    }
    return try ImageSpec(flags)
  }

  /// A script's text in the place of its file.
  private static func withScript(_ flag: SpecFlag, _ value: SpecValue) throws -> SpecValue {
    guard flag.shape == .script, case .text(let file) = value else { return value }
    let key = flag.path.joined(separator: ".")
    let bytes = try InputFile.read(file, "the script of \(key)", limit: InputFile.textLimit)
    guard let text = String(validating: bytes, as: UTF8.self), !text.isEmpty, !text.utf8.contains(0) else {
      throw SpecError(
        key, "the script \(file) \(bytes.isEmpty ? "is empty" : "is not UTF-8 text")",
        remedy: "Give a file with a shell script")
    }
    return .text(text)
  }

  private func readFile() throws -> ImageSpec {
    guard let file else { return ImageSpec() }
    return try ImageSpec(json: InputFile.read(file, "the spec", limit: InputFile.textLimit))
  }
}

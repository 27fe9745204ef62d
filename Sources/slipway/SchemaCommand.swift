internal import ArgumentParser
internal import Basics
internal import BuildPlan

/// `slipway schema`
struct SchemaCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "schema", abstract: "Print the JSON Schema of the image spec.",
    discussion: """
      Editors and validators take it. It knows each key and its type; a spec that fits it may still be refused, by \
      'slipway plan' as well.
      """)

  func run() throws {
    try DataOutput.standard.write(json: SpecSchema.json())
  }
}

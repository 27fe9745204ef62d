internal import ArgumentParser
internal import Basics
internal import BuildPlan
internal import ImageBuilder

/// `slipway schema`
struct SchemaCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "schema", abstract: "Print the JSON Schema of the image spec, or of scenarios.",
    discussion: """
      Editors and validators take it. It knows each key and its type; a spec that fits it may still be refused, by \
      'slipway plan' as well.
      """)

  @Flag(help: "Print the schema of the scenarios of 'slipway test'.")
  var scenario = false

  func run() throws {
    try DataOutput.standard.write(json: scenario ? ScenarioSchema.json() : SpecSchema.json())
  }
}

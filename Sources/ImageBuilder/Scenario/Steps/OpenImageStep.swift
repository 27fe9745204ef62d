internal import ImageModel
internal import SystemPackage

/// `image`: the image is there already, and is not written to.
struct OpenImageStep: ScenarioSource {
  static let key = "image"
  static let help = "Take an image that is there: the output folder of a build, or an image file."
  static let shape = ScenarioShape.object(
    [
      ScenarioField("path", .text, isRequired: true, "The folder or the file."),
      ScenarioField(
        "format", .choice(ImageFormat.allCases.map(\.rawValue)),
        "The image's format. Default: by its extension."),
      ScenarioField(
        "efiVars", .text, "Its EFI variable store. Default: the folder's, or the firmware's template."),
      ScenarioField("freshVariables", .flag, "Begin with the firmware's template of EFI variables."),
      ScenarioField("bios", .flag, "Boot by BIOS."),
    ], short: "path")

  let request: BootRequest

  init(_ value: YAMLValue) throws(ScenarioError) {
    let path = try value.required("path").text
    let isFolder = HostFiles.isFolder(FilePath(path))
    request = BootRequest(
      folder: isFolder ? path : nil, image: isFolder ? nil : path,
      format: value["format"].flatMap { ImageFormat(rawValue: $0.text) },
      efiVariables: value["efiVars"]?.text,
      freshVariables: value["freshVariables"]?.isTrue ?? false, bios: value["bios"]?.isTrue ?? false)
  }

  var text: String { "take the image \(request.folder ?? request.image ?? "")" }

  func image(at site: ScenarioSite) async throws -> BootRequest { request }
}

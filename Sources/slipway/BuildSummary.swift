internal import ImageBuilder
internal import ImageModel

/// What a person wants to know after a build.
enum BuildSummary {
  static func lines(_ manifest: Manifest, in folder: String) -> [String] {
    let files = manifest.files.map { file in
      "\(folder)/\(file.path)  \(ByteSize(bytes: file.size))  sha256:\(file.sha256)"
    }
    return files + (manifest.efiVariableChanges.map(variables) ?? [])
  }

  /// What the system's bootloader did to the variables; of the firmware's own only how many there are.
  private static func variables(_ changes: [Manifest.VariableChange]) -> [String] {
    let lines = changes.filter { !$0.isFirmwares }.map { change in
      "\(change.kind.rawValue) \(change.variable)  \(change.value)"
    }
    let count = changes.count - lines.count
    guard count > 0 else { return lines }
    return lines + [
      "and \(count) \(count == 1 ? "variable" : "variables") that the firmware makes by itself"
    ]
  }
}

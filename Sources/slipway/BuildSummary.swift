internal import ImageBuilder
internal import ImageModel

/// What a person wants to know after a build.
struct BuildSummary {
  var result: BuildResult
  /// The output folder, as it was given.
  var folder: String
  /// The time that the build took.
  var seconds: Double

  var lines: [String] {
    let loaders = result.loaders.map { loader in
      let words = [loader.name, loader.file].compactMap(\.self).joined(separator: ", ")
      return "boots by \(loader.firmware.rawValue)\(words.isEmpty ? "" : ": \(words)")"
    }
    let free = result.rootFree.map { ["free in the root: \(ByteSize(bytes: $0))"] } ?? []
    let twice = result.isReproduced ? ["built twice, with the same bytes"] : []
    return files + free + loaders + variables + twice + ["built in \(ProgressText.precise(seconds))"]
      + (result.command(in: folder).map { ["run it, leaving it unchanged:", $0] } ?? [])
  }

  private var files: [String] {
    let files = result.manifest.files.map { (path: "\(folder)/\($0.path)", size: ByteSize(bytes: $0.size)) }
    let width = files.map(\.path.count).max() ?? 0
    return files.map { file in
      "\(file.path)\(String(repeating: " ", count: width - file.path.count))  \(file.size)"
    }
  }

  /// What the system's bootloader did to the variables; of the firmware's own only how many there are.
  private var variables: [String] {
    let changes = result.manifest.efiVariableChanges ?? []
    let lines = changes.filter { !$0.isFirmwareOwned }.map { change in
      "EFI variable \(change.kind.rawValue): \(Self.name(change.variable)) = \(change.value)"
    }
    let count = changes.count - lines.count
    guard count > 0 else { return lines }
    return lines + ["EFI variables of the firmware's own: \(count)"]
  }

  /// The names of UEFI itself say enough without their GUID.
  private static func name(_ variable: String) -> Substring {
    let global = "-8be4df61-93ca-11d2-aa0d-00e098032b8c"
    return variable.hasSuffix(global) ? variable.dropLast(global.count) : variable[...]
  }
}

internal import Basics
internal import BuildPlan

/// A second build of the same request, for `--check-reproducible`: on a machine of another size and in another folder, as
/// nothing of either may be in an image.
struct SecondBuild {
  private static let namedPaths = 40

  let first: Manifest
  let second: Manifest
  /// What was sealed in each; empty where nothing was.
  let trees: (first: TreeRecord, second: TreeRecord)

  /// - Throws: `Fault` that names what differs.
  func check() throws(Fault) {
    let files = Self.different(first.files, second.files, by: \.path)
    guard !files.isEmpty || first != second else { return }
    let paths = trees.first.difference(from: trees.second)
    let variables = Self.different(
      first.efiVariableChanges ?? [], second.efiVariableChanges ?? [], by: \.variable)
    var evidence = paths.prefix(Self.namedPaths).map(\.self)
    if paths.count > evidence.count { evidence.append("and \(paths.count - evidence.count) more") }
    evidence += variables.map { "EFI variable \($0)" }
    throw Fault(
      .failed, "the image is not reproducible",
      cause:
        "a second build has another \((files.isEmpty ? [Manifest.fileName] : files).joined(separator: ", "))",
      remedy: remedy(isExplained: !evidence.isEmpty), evidence: evidence)
  }

  private func remedy(isExplained: Bool) -> String? {
    if isExplained {
      return "Have the system make these at its first boot, or give them to it by contents or extraFiles"
    }
    return first.directPath.map {
      "The guest's kernel has laid the disk out, as \($0): only ext4 and FAT are the same each time"
    }
  }

  /// The names of what is not in both, or not the same.
  private static func different<Item: Hashable>(
    _ first: [Item], _ second: [Item], by name: KeyPath<Item, String>
  ) -> [String] {
    Set(Set(first).symmetricDifference(second).map { $0[keyPath: name] }).sorted()
  }
}

extension MachinePlan {
  /// A machine with another number of processors and more memory.
  var other: MachinePlan {
    var machine = self
    machine.cpus += cpus > 1 ? -1 : 1
    machine.memory += 256
    return machine
  }
}

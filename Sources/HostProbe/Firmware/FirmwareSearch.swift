package import BuildPlan

/// A descriptor's file, before it is read as one.
package struct FirmwareDescriptorFile: Hashable, Sendable {
  /// Its name without the folder; it decides the order.
  package var name: String
  /// Where it is.
  package var path: String
  /// What it holds.
  package var bytes: [UInt8]

  package init(name: String, path: String, bytes: [UInt8]) {
    self.name = name
    self.path = path
    self.bytes = bytes
  }

  /// The files that count, in the order in which they are to be tried.
  ///
  /// QEMU's rules: all folders make one list, ordered by file name; of files with one name the most specific
  /// folder's counts; an empty file there hides the others and is no descriptor itself.
  ///
  /// - Parameter folders: each folder's files, the most specific folder first.
  package static func effective(in folders: [[FirmwareDescriptorFile]]) -> [FirmwareDescriptorFile] {
    var chosen: [String: FirmwareDescriptorFile] = [:]
    for file in folders.joined() where file.name.hasSuffix(".json") {
      if chosen[file.name] == nil { chosen[file.name] = file }
    }
    return chosen.values.filter { !$0.bytes.isEmpty }
      .sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
  }
}

/// A pair whose files are there.
package struct FoundFirmware: Hashable, Codable, Sendable {
  /// The pair, as its descriptor names it.
  package var pair: FirmwarePair
  /// The code with all symbolic links followed; Debian has three names for its Secure Boot code.
  package var resolvedCode: String
  /// The size of the code's flash image, in bytes.
  package var codeSize: UInt64
  /// The size of the template's flash image, in bytes.
  package var variablesSize: UInt64

  package init(pair: FirmwarePair, resolvedCode: String, codeSize: UInt64, variablesSize: UInt64) {
    self.pair = pair
    self.resolvedCode = resolvedCode
    self.codeSize = codeSize
    self.variablesSize = variablesSize
  }
}

/// What a search for firmware found.
package struct FirmwareSearch: Hashable, Codable, Sendable {
  /// The folders that were searched, the most specific first.
  package var folders: [String]
  /// Usable pairs, in the order of their descriptors.
  package var found: [FoundFirmware]
  /// What was wrong with other descriptors, a line each.
  package var problems: [String]

  package init(folders: [String], found: [FoundFirmware] = [], problems: [String] = []) {
    self.folders = folders
    self.found = found
    self.problems = problems
  }
}

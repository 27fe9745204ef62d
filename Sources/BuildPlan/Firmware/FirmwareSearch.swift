package import Basics

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

extension FirmwareSearch {
  /// What to do when there is no firmware.
  package static let remedy =
    "Install OVMF (Debian: apt install ovmf), or name the files with --efi-firmware and --efi-variables"

  /// The pair that an image is installed with when nobody asks for another.
  ///
  /// Preferred are: no SMM, which is slow under emulation; no Secure Boot; the 4 MiB build, whose store has
  /// room; then the order of the descriptors. A template with enrolled keys is never chosen: NixOS's bootloaders
  /// are not signed, so the image would not boot.
  ///
  /// - Parameter secureBoot: whether only firmware with Secure Boot counts.
  /// - Throws: `Fault` when there is none.
  package func preferred(secureBoot: Bool = false) throws(Fault) -> FoundFirmware {
    func rank(_ firmware: FoundFirmware) -> Int {
      let small = firmware.codeSize + firmware.variablesSize != 4 << 20
      return (firmware.pair.requiresSMM ? 4 : 0) + (firmware.pair.secureBoot ? 2 : 0) + (small ? 1 : 0)
    }
    let usable = found.filter { !$0.pair.enrolledKeys && ($0.pair.secureBoot || !secureBoot) }.enumerated()
      .min { (rank($0.element), $0.offset) < (rank($1.element), $1.offset) }
    guard let usable else {
      let isEnrolled = found.contains { $0.pair.enrolledKeys }
      let others = isEnrolled ? "; those with enrolled Secure Boot keys do not count" : ""
      throw Fault(
        .hostNotAble,
        "no descriptor in \(folders.joined(separator: ", ")) names a UEFI firmware for "
          + "\(Architecture.current.name) \(Architecture.current.machineType)"
          + "\(secureBoot ? " with Secure Boot" : "")\(others)",
        remedy: Self.remedy)
    }
    return usable.element
  }

  /// The pair that somebody asks for by its files.
  ///
  /// What the code needs is in the descriptor that names it. Code that no descriptor names is judged by its
  /// file name; the pair's description says so.
  ///
  /// - Parameters:
  ///   - code: the code.
  ///   - resolvedCode: the code with all symbolic links followed.
  ///   - variables: the template; nil for the one that the code's descriptor names.
  ///   - needsSMM: whether the code needs SMM, when somebody says so; it then has Secure Boot too.
  /// - Throws: `Fault` when no descriptor names the code and there is no template.
  package func pair(
    code: String, resolvedCode: String, variables: String?, needsSMM: Bool? = nil
  ) throws(Fault) -> FirmwarePair {
    var pair = try pair(code: code, resolvedCode: resolvedCode, variables: variables)
    if let needsSMM {
      pair.requiresSMM = needsSMM
      // What SMM is for: edk2 wants it where variables must be safe from the system.
      pair.secureBoot = pair.secureBoot || needsSMM
    }
    return pair
  }

  private func pair(
    code: String, resolvedCode: String, variables: String?
  ) throws(Fault) -> FirmwarePair {
    let named = found.filter { $0.resolvedCode == resolvedCode }
    // One code may have several templates, and only the template decides whether keys are enrolled.
    let sameTemplate = named.first { $0.pair.variablesTemplate == variables }
    if let firmware = sameTemplate ?? named.first(where: { !$0.pair.enrolledKeys }) ?? named.first {
      var pair = firmware.pair
      pair.code = code
      if let variables, sameTemplate == nil {
        pair.variablesTemplate = variables
        pair.enrolledKeys = false
        pair.description += " (variables: \(variables))"
      }
      return pair
    }
    guard let variables else {
      throw Fault(
        .hostNotAble,
        "no firmware descriptor names \(code), so the variable store that belongs to it is not known",
        remedy: "Name it with --efi-variables")
    }
    let name = resolvedCode.split(separator: "/").last.map { $0.lowercased() } ?? ""
    let secure = ["secboot", "secure", ".ms.", "smm"].contains { name.contains($0) }
    return FirmwarePair(
      code: code, variablesTemplate: variables, requiresSMM: secure, secureBoot: secure,
      description: "no descriptor names it; by its file name it is assumed to "
        + (secure ? "implement Secure Boot and to need SMM" : "need no SMM"))
  }
}

package import Basics
package import BuildPlan
internal import EFIVariables
internal import Foundation
internal import SystemPackage

// Which firmware can be used, and which of them is: asked by doctor of all that it finds, and by a build of what it takes.

extension FirmwareDescriptor {
  /// The pair that this describes, if it is UEFI for that machine and keeps its variables.
  ///
  /// - Parameters:
  ///   - architecture: the emulator: `x86_64`.
  ///   - machine: a versioned machine type, not an alias: `pc-q35-7.2`.
  package func pair(architecture: String, machine: String) -> FirmwarePair? {
    let runs = targets.contains { target in
      target.architecture == architecture && target.machines.contains { fnmatch($0, machine, 0) == 0 }
    }
    guard runs, interfaces.contains("uefi"), let flash else { return nil }
    return FirmwarePair(
      code: flash.code, variablesTemplate: flash.variablesTemplate,
      requiresSMM: features.contains("requires-smm"), secureBoot: features.contains("secure-boot"),
      enrolledKeys: features.contains("enrolled-keys"), description: description)
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

extension FirmwarePair {
  /// What makes a pair usable, as far as its files tell without being converted.
  ///
  /// - Returns: the sizes of both flash images, in bytes.
  /// - Throws: `Fault`.
  func check() throws(Fault) -> (code: UInt64, variables: UInt64) {
    let (code, template) = (
      try FlashFile(code, kind: .hostNotAble), try FlashFile(variablesTemplate, kind: .hostNotAble)
    )
    try checkSizes(code: code.size, variables: template.size)
    // What is in qcow2 is read when it is converted, by a build.
    guard !template.isQcow2 else { return (code.size, template.size) }
    do {
      try checkTemplate(WholeFile.read(FilePath(variablesTemplate)), kind: .hostNotAble)
    } catch let fault as Fault {
      throw fault
    } catch {
      throw unreadableTemplate(error)
    }
    return (code.size, template.size)
  }

  /// Refuses code and variables of different builds.
  ///
  /// edk2 cuts one flash image of 1, 2 or 4 MiB in two. Firmware that is given another build's store boots
  /// nevertheless, and keeps no variable at all.
  ///
  /// - Parameters:
  ///   - codeSize: the code's size, in bytes.
  ///   - variablesSize: the template's size, in bytes.
  /// - Throws: `Fault` when the two do not make one flash image.
  package func checkSizes(code codeSize: UInt64, variables variablesSize: UInt64) throws(Fault) {
    let (flash, overflow) = codeSize.addingReportingOverflow(variablesSize)
    guard !overflow, flash >= 1 << 20, flash.nonzeroBitCount == 1 else {
      throw Fault(
        .hostNotAble,
        "\(code) (\(codeSize) bytes) and \(variablesTemplate) (\(variablesSize) bytes) are not two parts of "
          + "one flash image: together they are not 1, 2 or 4 MiB, and no variable would be kept",
        remedy: "Name the template that was built with the code")
    }
  }

  /// Refuses a template that is not a variable store.
  ///
  /// - Parameters:
  ///   - bytes: its flash image.
  ///   - kind: who must act when it is none.
  /// - Throws: `Fault`.
  package func checkTemplate(_ bytes: [UInt8], kind: Fault.Kind) throws(Fault) {
    do {
      _ = try VariableStore(reading: bytes)
    } catch {
      throw unreadableTemplate(error, kind)
    }
  }

  private func unreadableTemplate(_ error: any Error, _ kind: Fault.Kind = .hostNotAble) -> Fault {
    Fault(kind, "\(variablesTemplate) is not a variable store: \(error)", remedy: FirmwareSearch.remedy)
  }

  /// Refuses code without Secure Boot.
  func checkSecureBoot() throws(Fault) {
    guard !secureBoot else { return }
    throw Fault(
      .hostNotAble,
      "the firmware \(code) has no Secure Boot: \(description)",
      remedy: "Name another with --efi-firmware, or add --efi-firmware-needs-smm if that is not so")
  }
}

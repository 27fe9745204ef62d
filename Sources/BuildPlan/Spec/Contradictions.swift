internal import ImageModel

/// Keys of a spec that exclude one another.
extension ResolvedSpec {
  /// What needs a VM, or an installed system.
  static func checkStoreAlone(_ spec: ImageSpec) throws(SpecError) {
    guard spec.onlyNixStore == true else { return }
    for (key, isGiven) in [
      ("systems", spec.severalSystems != nil), ("currentGeneration", spec.currentGeneration != nil),
      ("profile", spec.profile != nil),
    ]
    where isGiven {
      throw SpecError(
        key, "an image of a Nix store only has no generations",
        remedy: "Leave it out, or onlyNixStore; additionalPaths is for further store paths")
    }
    for (key, isGiven) in [
      ("extraFiles", spec.extraFiles?.isEmpty == false),
      ("preVM", spec.preVM != nil), ("postInstall", spec.postInstall != nil),
    ]
    where isGiven {
      throw SpecError(
        key, "an image of a Nix store only has no system, and no VM makes it",
        remedy: "Leave it out, or onlyNixStore")
    }
  }

  /// What an image without a root has no place for.
  static func checkBootPartitionsAlone(
    _ spec: ImageSpec, _ table: PartitionTable, _ contents: [PlannedContent], _ mounts: [MountedPlace]
  ) throws(SpecError) {
    guard spec.store == .host else { return }
    guard spec.onlyNixStore != true else {
      throw SpecError(
        "store", "an image of a Nix store only has the store in it", remedy: "Leave it out, or onlyNixStore")
    }
    guard table.layout.hasBootPlace else {
      throw SpecError(
        "store",
        "with the partition table '\(table.rawValue)' everything is in the root, which this image has not",
        remedy: "Use \(PartitionTable.choice(\.hasBootPlace))")
    }
    var isFixed = false
    if case .fixed? = spec.diskSize { isFixed = true }
    for (key, isGiven) in [
      ("diskSize", isFixed), ("additionalSpace", spec.additionalSpace != nil),
      ("rootGPUID", spec.rootGPUID != nil), ("copyChannel", spec.copyChannel?.path != nil),
    ] where isGiven {
      throw SpecError(key, "the image has no root", remedy: "Leave it out, or set store to \"image\"")
    }
    for content in contents {
      // Not what a partition is mounted below: that is in the root as well.
      let within = mounts.filter { $0.components.count <= content.entry.components.count }
      guard !reach([content], into: within) else { continue }
      throw SpecError(
        content.key, "'\(content.entry.target)' would be in the root, which the image has not",
        remedy: "Leave it out, or set store to \"image\"")
    }
  }

  /// What comes by chance is not given.
  static func checkDeterminism(_ spec: ImageSpec) throws(SpecError) {
    guard spec.deterministic == false, spec.seed != nil else { return }
    throw SpecError(
      "seed", "a build that is not deterministic takes another one each time",
      remedy: "Leave it out, or set deterministic to true")
  }

  static func checkFirmware(_ spec: ImageSpec) throws(SpecError) {
    if spec.ovmf != nil, spec.efiFirmware != nil || spec.efiVariables != nil {
      throw SpecError(
        "OVMF",
        "it names the firmware, and so does \(spec.efiFirmware == nil ? "efiVariables" : "efiFirmware")",
        remedy: "Give OVMF, or both efiFirmware and efiVariables")
    }
    guard spec.efiFirmwareNeedsSMM == nil || spec.firmwareCode != nil else {
      throw SpecError(
        "efiFirmwareNeedsSMM", "it applies only to firmware that the spec names, and this one names none",
        remedy: "Leave it out, or give efiFirmware or OVMF")
    }
    guard spec.secureBoot == nil || spec.efiFirmwareNeedsSMM != false else {
      throw SpecError(
        "efiFirmwareNeedsSMM", "Secure Boot protects nothing without system management mode",
        remedy: "Leave it out, or secureBoot")
    }
    guard (spec.efiFirmware == nil) == (spec.efiVariables == nil) else {
      let missing = spec.efiFirmware == nil ? "efiFirmware" : "efiVariables"
      throw SpecError(
        missing, "firmware and its variable store belong together, and this one is missing",
        remedy: "Give both efiFirmware and efiVariables, or neither")
    }
  }

  static func checkVariables(_ spec: ImageSpec, usesEFI: Bool) throws(SpecError) {
    guard usesEFI else {
      for (key, isGiven) in [
        ("efiVarsForm", spec.efiVarsForm != nil),
        ("stripFirmwareVariables", spec.stripFirmwareVariables == true),
      ]
      where isGiven {
        throw SpecError(key, "this image has no EFI variables", remedy: "Leave it out")
      }
      return
    }
    guard spec.efiVarsForm == .raw, spec.stripFirmwareVariables == true else { return }
    throw SpecError(
      "stripFirmwareVariables",
      "the firmware's own bytes hold all variables, and none can be left out of them",
      remedy: "Leave it out, or set efiVarsForm to \"canonical\"")
  }

  static func checkBootLoader(_ spec: ImageSpec, _ table: PartitionTable) throws(SpecError) {
    if spec.onlyNixStore == true {
      for (key, value) in [
        ("installBootLoader", spec.installBootLoader), ("touchEFIVars", spec.touchEFIVars),
      ]
      where value == true {
        throw SpecError(
          key, "an image of a Nix store only has no bootloader", remedy: "Leave it out, or onlyNixStore")
      }
    }
    if spec.touchEFIVars == true, !table.layout.allowsEFIVariables {
      throw SpecError(
        "touchEFIVars", "a disk with the partition table '\(table.rawValue)' is not booted by EFI",
        remedy: "Leave touchEFIVars out, or use \(PartitionTable.choice(\.allowsEFIVariables))")
    }
    guard spec.installBootLoader == false, spec.touchEFIVars == true else { return }
    throw SpecError(
      "touchEFIVars", "nothing touches EFI variables when installBootLoader is false",
      remedy: "Leave touchEFIVars out, or set installBootLoader to true")
  }
}

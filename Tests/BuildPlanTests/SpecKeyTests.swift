import BuildPlan
import Ext4Geometry
import Foundation
import ImageModel
import TestSupport
import Testing

/// The table of keys, and what follows from it.
@Suite struct SpecKeyTests {
  @Test func everyPropertyOfASpecIsAKeyAndTheOtherWayRound() {
    let properties = Mirror(reflecting: ImageSpec()).children.compactMap(\.label)
    let keys = SpecKey.all.filter { $0.shortFor == nil }.map { $0.name == "OVMF" ? "ovmf" : $0.name }
    #expect(keys.sorted() == properties.sorted())
  }

  @Test func everyKeyHasAFlagOfItsOwn() {
    let names = SpecFlag.all.map(\.name)
    #expect(Set(names).count == names.count)
    for key in SpecKey.all {
      let flags = SpecFlag.all.filter { $0.path[0] == key.name }
      if key.name == "secureBoot" {
        #expect(flags.map(\.path.count) == [2, 2, 2, 3, 3])
      } else {
        #expect(flags.count == (key.shortFor == nil ? 1 : 0))
      }
    }
  }

  @Test func aShortFormIsForAListThatThereIs() {
    for key in SpecKey.all {
      guard let long = key.shortFor else { continue }
      #expect(SpecFlag.all.contains { $0.path == [long] && $0.isRepeated && $0.item == key.shape })
    }
  }

  @Test(arguments: [
    ("touchEFIVars", "touch-efi-vars"), ("rootGPUID", "root-gpuid"), ("OVMF", "ovmf"), ("preVM", "pre-vm"),
    ("efiFirmwareNeedsSMM", "efi-firmware-needs-smm"), ("mkfsOptions", "mkfs-option"),
    ("extraFiles", "extra-file"), ("fsType", "fs-type"), ("systems", "system"),
  ])
  func aFlagHasTheKeysNameInKebabCase(key: String, flag: String) {
    #expect(SpecFlag.all.first { $0.path == [key] }?.name == flag)
  }

  @Test func everyTextIsASentence() {
    for key in SpecKey.all {
      #expect(key.help.hasSuffix(".") && key.help.first?.isUppercase == true, "\(key.name)")
      #expect(key.details.isEmpty || key.details.hasSuffix("."), "\(key.name)")
      #expect(!key.help.contains("`") && key.standard?.text.isEmpty != true, "\(key.name)")
    }
  }

  /// What the help says of a default is what the planner does.
  @Test func theDefaultsAreThePlanners() throws {
    var given = SpecValue.object([:])
    for key in SpecKey.all {
      if case .value(let value)? = key.standard { given = given.setting([key.name], to: value) }
    }
    let explicit = try ImageSpec(given)
    #expect(explicit.format == [.raw] && explicit.memSize == 1024 && explicit.onlyNixStore == false)
    #expect(try plan(explicit) == plan(ImageSpec()))
  }

  @Test func theReferenceHasTheTableOfKeys() throws {
    let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../docs/reference.md")
    let page = try String(contentsOf: file, encoding: .utf8)
    let parts = page.components(separatedBy: Self.marker)
    try #require(parts.count == 3, "docs/reference.md has two lines \(Self.marker)")
    let table = "\n" + Self.table + "\n"
    guard parts[1] != table else { return }
    if ProcessInfo.processInfo.environment["RECORD_SNAPSHOTS"] != nil {
      try [parts[0], table, parts[2]].joined(separator: Self.marker)
        .write(to: file, atomically: true, encoding: .utf8)
    }
    Issue.record(
      "the table of keys in docs/reference.md is not that of SpecKeys.swift (make record writes it)")
  }

  private static let marker = "<!-- from SpecKeys.swift, by make record -->"

  private static var table: String {
    let rows = SpecKey.all.map { key in
      let flags = SpecFlag.all.filter { $0.path[0] == key.shortFor ?? key.name }.map { "`--\($0.name)`" }
      let meaning = [key.help, values(key.shape), key.details].filter { !$0.isEmpty }.joined(separator: " ")
      return "| `\(key.name)` | \(flags.joined(separator: ", ")) | \(type(key.shape)) | "
        + "\(key.standard?.text ?? "") | \(meaning) |"
    }
    return (["| key | flag | type | default | meaning |", "| --- | --- | --- | --- | --- |"] + rows)
      .joined(separator: "\n")
  }

  private static func type(_ shape: SpecShape) -> String {
    switch shape {
    case .text, .path, .script, .mode, .filesystem, .partitionType, .choice: "text"
    case .flag: "flag"
    case .number: "number"
    case .size, .diskSize: "text or number"
    case .guid: "GUID"
    case .channel: "text or false"
    case .list: "list"
    case .oneOrMore(let item): "\(type(item)) or list"
    case .object: "object"
    }
  }

  private static func values(_ shape: SpecShape) -> String {
    guard case .choice(let choices) = shape else { return "" }
    return "One of " + choices.map { "`\($0)`" }.joined(separator: ", ") + "."
  }

  private func plan(_ spec: ImageSpec) throws -> BuildPlan {
    let firmware = FirmwarePair(
      code: "/CODE.fd", variablesTemplate: "/VARS.fd", requiresSMM: false, secureBoot: false)
    let closure = ClosureFacts(
      systems: ["/nix/store/00000000000000000000000000000000-nixos-system-tiny"],
      tree: TreeNeed(blocks: 15_000, inodes: 1_500), etcDirectories: 3, etcLinks: 20,
      bootFiles: .mebibytes(60))
    var spec = spec
    spec.systems = closure.systems
    return try Planner(
      spec: ResolvedSpec(spec), closure: closure, machine: MachineFacts(firmware: firmware, accelerator: .tcg)
    ).plan()
  }
}

import Basics
import Command
import Ext4Geometry
import Foundation
import HostProbe
import SystemPackage
import TestSupport
import Testing

@testable import Appliance
@testable import BuildPlan
@testable import ImageBuilder
@testable import ImageModel

/// A new filesystem, layout, format, program, key or check is one value and its line in a list: whatever is in the list
/// is planned, found, read and run without another place that knows it. A new value is a case of these tests by itself.
@Suite struct SampleTests {
  private func plan(_ change: (inout ImageSpec) -> Void) throws -> BuildPlan {
    let system = "/nix/store/00000000000000000000000000000000-nixos-system-sample"
    var spec = ImageSpec()
    spec.system = system
    change(&spec)
    return try Planner(
      spec: ResolvedSpec(spec),
      closure: ClosureFacts(
        systems: [system], tree: TreeNeed(blocks: 15_000, inodes: 1_500), etcDirectories: 3, etcLinks: 20,
        bootFiles: .mebibytes(20), contentSizes: [:]),
      machine: MachineFacts(
        firmware: FirmwarePair(
          code: "/f/CODE.fd", variablesTemplate: "/f/VARS.fd", requiresSMM: false, secureBoot: false),
        accelerator: .tcg)
    ).plan()
  }

  @Test(arguments: FilesystemTraits.all.map(\.kind))
  func aFilesystemIsPlannedMadeAndMounted(kind: FilesystemKind) throws {
    let traits = try #require(FilesystemTraits.of(kind))
    for program in traits.programs {
      let tool = try #require(ExternalTool.all.first { $0.name == program.name })
      #expect(tool.place == (program.isHosts ? .host : .guest))
      #expect(program.isHosts || ApplianceTool.all.contains { $0.name == program.name })
    }
    for module in [traits.driver].compactMap(\.self) + traits.helperModules {
      #expect((ApplianceModules.required + ApplianceModules.optional).contains(module))
    }
    let disk: DiskLayout
    switch traits.use {
    case .readOnly:
      disk = try plan {
        $0.onlyNixStore = true
        $0.fsType = kind
        $0.label = traits.labelLimit == 0 ? "" : nil
      }.target
    case .swap: disk = try plan { $0.swapSize = .mebibytes(64) }.target
    case .writable(let writable) where writable.size != nil:
      disk = try plan {
        $0.fsType = kind
        $0.label = "sample"
      }.target
    case .writable:
      let size = max(traits.least, .mebibytes(512))
      disk = try plan {
        $0.partitions = [PartitionEntry(name: "sample", size: size, fsType: kind, mountPoint: "/sample")]
      }.target
    }
    #expect(disk.partitions.contains { $0.filesystem?.kind == kind })
    // As a spec names it.
    #expect(try ImageSpec(json: Array("{\"fsType\": \"\(kind.rawValue)\"}".utf8)).fsType == kind)
  }

  @Test(arguments: Layout.all.map(\.table))
  func aLayoutIsReadAndPlanned(table: PartitionTable) throws {
    let layout = table.layout
    let spec = try ImageSpec(json: Array("{\"partitionTableType\": \"\(table.rawValue)\"}".utf8))
    #expect(spec.partitionTableType == table)
    let plan = try plan { $0.partitionTableType = table }
    let disk = try plan.target
    #expect(disk.table == layout.format)
    #expect(disk.root != nil)
    #expect(
      disk.partitions.compactMap { $0.filesystem?.mountPoint }.filter { $0 != "/" }.sorted()
        == layout.bootPlaces.sorted())
    #expect(disk.partitions.contains { $0.type == .efiSystem } == layout.hasESP)
    #expect((plan.machine?.firmware != nil) == layout.hasESP)
    let sizes = Layout.Sizes(bootEnd: 256 << 20, sector: 512)
    #expect(disk.partitions.count == layout.parts(sizes).count + 1)
  }

  @Test(arguments: FormatTraits.all.map(\.format))
  func aFormatIsReadPlannedAndKnownByItsName(format: ImageFormat) throws {
    let spec = try ImageSpec(json: Array("{\"format\": \"\(format.rawValue)\"}".utf8))
    #expect(spec.format == [format])
    let image = try #require(try plan { $0.format = [format] }.outputs.images.first)
    #expect(image.format == format && image.file == "nixos.\(format.fileExtension)")
    // Formats with one extension are read in one way.
    let read = try #require(ImageFormat.named(by: image.file))
    #expect(read.qemuName == format.qemuName && read.packing == format.packing)
  }

  @Test(arguments: ExternalTool.all)
  func aProgramIsLookedForAndGivenToTheGuest(tool: ExternalTool) {
    let facts = HostFacts(
      accelerator: Accelerator(kind: .tcg, reason: ""), machine: nil,
      firmware: FirmwareSearch(folders: []), tools: [], libvirtVersion: nil, kernel: Tool(name: "kernel"),
      workFolder: "/", freeSpace: nil, cpus: 1, memory: .mebibytes(1))
    let check = DoctorReport(facts).checks.first { $0.name == tool.name }
    #expect(check?.state == (tool.need == nil ? .missing : .notice))
    #expect(check?.remedy?.contains(tool.debianPackage) == true)
    #expect(ApplianceTool.all.contains { $0.name == tool.name } == (tool.place != .host))
  }

  @Test(arguments: SpecKey.all.map(\.name))
  func aKeyIsReadAndHasItsFlagsAndItsPlaceInTheSchema(name: String) throws {
    // A value of no key's type.
    let error = #expect(throws: SpecError.self) { try ImageSpec(json: Array("{\"\(name)\": [[[]]]}".utf8)) }
    #expect(error?.key.hasPrefix(name) == true)
    let key = try #require(SpecKey.all.first { $0.name == name })
    #expect(SpecFlag.all.contains { $0.path.first == key.shortFor ?? name })
    #expect(try SpecSchema.json().contains("\"\(name)\" : {"))
  }

  /// `nix/lists.json`, from which the Nix function and the module have them.
  @Test func theNixFunctionHasTheSameLists() throws {
    struct Lists: Encodable {
      struct Layout: Encodable {
        var hasBootPartition: Bool
        var hasESP: Bool
        var allowsEFIVariables: Bool
      }
      var extensions: [String: String]
      var layouts: [String: Layout]
      var packages: [String]
    }
    let lists = Lists(
      extensions: Dictionary(
        uniqueKeysWithValues: ImageFormat.allCases.map { ($0.rawValue, $0.fileExtension) }),
      layouts: Dictionary(
        uniqueKeysWithValues: Layout.all.map {
          (
            $0.table.rawValue,
            .init(
              hasBootPartition: !$0.bootPlaces.isEmpty, hasESP: $0.hasESP,
              allowsEFIVariables: $0.allowsEFIVariables)
          )
        }),
      packages: ExternalTool.all.map(\.nixPackage).reduce(into: []) { if !$0.contains($1) { $0.append($1) } })
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    try expectSnapshot(
      String(decoding: encoder.encode(lists), as: UTF8.self) + "\n", named: "lists.json",
      in: TestSystem.repository("nix"))
  }

  /// What a check of the list may say.
  private struct SampleCheck: SealedDiskCheck {
    var fault: Fault?

    func run(on disk: SealedDisk, warn: (String) -> Void) async throws {
      warn("\(try disk.plan.target.size)")
      if let fault { throw fault }
    }
  }

  @Test func aCheckIsRunInItsTurn() async throws {
    try await withScratchDirectory { scratch in
      let plan = try plan { $0.partitionTableType = PartitionTable.none }
      let file = scratch.appending("disk")
      try HostFiles.makeSparseFile(file, bytes: try plan.target.size.bytes)
      let disk = try await SealedDisk(file, plan: plan, variables: nil)
      var warnings: [String] = []
      let fault = Fault(.failed, "the sample does not hold")
      await #expect(throws: fault) {
        try await disk.check([SampleCheck(), SampleCheck(fault: fault), SampleCheck()]) {
          warnings.append($0)
        }
      }
      let size = try plan.target.size
      #expect(warnings == ["\(size)", "\(size)"])
      // An empty disk holds nothing of the plan, and each check but that of the table looks for it.
      #expect(SealedDisk.checks.count >= 5)
      await #expect(throws: Fault.self) { try await disk.check { _ in } }
    }
  }
}

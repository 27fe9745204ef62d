import AgentProtocol
import Basics
import BuildPlan
import Ext4Geometry
import ImageModel
import TestSupport
import Testing

@Suite struct AdditionPlanTests {
  private static let systems = ["a", "b"].map {
    "/nix/store/0000000000000000000000000000000\($0)-nixos-system"
  }

  private static let layout = DiskLayout(
    table: .gpt, sectorSize: 512, sectors: 1 << 20, guid: GUID(high: 1, low: 2),
    partitions: [
      Partition(
        number: 1, name: "ESP", type: .efiSystem, guid: GUID(high: 1, low: 3), start: 16384, sectors: 100_000,
        filesystem: Filesystem(kind: .vfat, label: "", uuid: nil, mountPoint: "/boot")),
      Partition(
        number: 2, name: "root", type: .linux, guid: GUID(high: 1, low: 4), start: 116_384, sectors: 900_000,
        filesystem: Filesystem(kind: .ext4, label: "", uuid: nil, mountPoint: "/")),
      Partition(
        number: 3, name: "data", type: .linux, guid: GUID(high: 1, low: 5), start: 1_016_384, sectors: 1000,
        filesystem: nil),
    ])

  private func planner(
    adding system: String = Self.systems[1], _ change: (inout AdditionPlanner) -> Void = { _ in }
  ) throws -> AdditionPlanner {
    var spec = ImageSpec()
    spec.systems = [system]
    var planner = AdditionPlanner(
      spec: try ResolvedSpec(spec), system: system, missing: TreeNeed(blocks: 15_000, inodes: 1_500),
      image: ImageFacts(
        layout: Self.layout, generations: [1: Self.systems[0], 4: "/nix/store/other"], current: 1,
        rootFree: .mebibytes(100), rootInodes: 2000,
        boot: [.init(mountPoint: "/boot", free: .mebibytes(40), need: .mebibytes(30))],
        absentState: ["/boot/loader/random-seed"]),
      machine: MachineFacts(
        firmware: FirmwarePair(
          code: "/firmware/CODE.fd", variablesTemplate: "/firmware/VARS.fd", requiresSMM: false,
          secureBoot: false),
        accelerator: .tcg),
      time: 1_700_000_000,
      output: AdditionOutput(
        file: "nixos.qcow2", format: .qcow2, identifier: nil, variablesForm: .canonical),
      installsLoader: false)
    change(&planner)
    return planner
  }

  @Test func thePlanIsTheGoldenOne() throws {
    try expectSnapshot(planner().plan().json(), named: "plan-addition.json")
  }

  @Test func theNumberIsOneMoreThanTheLargest() throws {
    #expect(try planner().number == 5)
    #expect(
      try planner {
        $0.image.generations = [:]; $0.image.current = nil
      }.number == 1)
    #expect(throws: Fault.self) {
      try planner { $0.image.generations[UInt64.max] = "x" }.number
    }
  }

  /// As `nix-env --set` has it.
  @Test func theCurrentSystemKeepsItsNumber() throws {
    let planner = try planner(adding: Self.systems[0])
    #expect(try planner.number == 1)
    #expect(
      try planner.plan().stepNames == [
        "adoptDisk", "mountFilesystem", "mountFilesystem", "addStorePaths", "installBootLoader", "unmount",
      ])
  }

  @Test func withoutFirmwareNoVariablesAreTouched() throws {
    let plan = try planner { $0.machine.firmware = nil }.plan()
    #expect(plan.outputs.efiVariables == nil && plan.machine?.firmware == nil)
    let touches = plan.steps.compactMap { planned in
      if case .installBootLoader(_, false, let touches, _, _, _) = planned.step { touches } else { nil }
    }
    #expect(touches == [false])
  }

  @Test func aDiskWithoutATableIsMountedAsItIs() throws {
    let plan = try planner {
      $0.image.layout.table = .none
      $0.image.layout.partitions = [
        Partition(
          number: 0, name: "", type: nil, guid: nil, start: 0, sectors: 1 << 20,
          filesystem: Filesystem(kind: .ext4, label: "", uuid: nil, mountPoint: "/"))
      ]
      $0.image.boot = []
    }.plan()
    #expect(plan.stepNames.first == "mountFilesystem")
    #expect(plan.directPath == "a generation was added to an image")
  }

  @Test func theProfileIsWhereNixosRebuildHasIt() throws {
    var spec = ImageSpec()
    (spec.systems, spec.profile) = ([Self.systems[1]], "test")
    let resolved = try ResolvedSpec(spec)
    let plan = try planner { $0.spec = resolved }.plan()
    let profiles = plan.steps.compactMap { planned in
      if case .setSystemProfile(_, let profile, _, _) = planned.step { profile } else { nil }
    }
    #expect(profiles == ["/nix/var/nix/profiles/system-profiles/test"])
  }

  @Test func whatDoesNotFitIsRefusedWithWhatIsMissing() throws {
    func refusal(_ change: (inout AdditionPlanner) -> Void) throws -> String {
      let planner = try planner(change)
      let fault = #expect(throws: Fault.self) { try planner.plan() }
      #expect(fault?.kind == .badInput && fault?.remedy != nil)
      return fault?.message ?? ""
    }
    let root = try refusal { $0.image.rootFree = .mebibytes(50) }
    #expect(root.contains("the root has 50.0 MiB free") && root.hasSuffix("more"), "\(root)")
    let boot = try refusal { $0.image.boot[0].free = .mebibytes(10) }
    #expect(boot.contains("/boot has 10.0 MiB free and needs 30.0 MiB, 20.0 MiB more"), "\(boot)")
    let inodes = try refusal { $0.image.rootInodes = 3 }
    #expect(inodes.contains("3 free inodes, and needs 1500"), "\(inodes)")
    _ = try refusal { $0.missing = TreeNeed(blocks: .max / 8192, inodes: 1) }
  }
}

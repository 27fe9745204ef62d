import AgentProtocol
import BuildPlan
import Ext4Geometry
import Foundation
import ImageModel
import TestSupport
import Testing

@Suite struct GenerationPlanTests {
  private static let systems = ["a", "b", "c"].map {
    "/nix/store/0000000000000000000000000000000\($0)-nixos-system"
  }

  private func read(_ json: String) throws -> ImageSpec { try ImageSpec(json: Array(json.utf8)) }

  private func plan(
    of systems: [String] = Self.systems, _ change: (inout ImageSpec) -> Void = { _ in }
  ) throws -> BuildPlan {
    var spec = ImageSpec()
    spec.systems = systems
    change(&spec)
    return try Planner(
      spec: ResolvedSpec(spec),
      closure: ClosureFacts(
        systems: systems, tree: TreeNeed(blocks: 15_000, inodes: 1_500), etcDirectories: 3, etcLinks: 20,
        bootFiles: .mebibytes(60)),
      machine: MachineFacts(
        firmware: FirmwarePair(
          code: "/firmware/CODE.fd", variablesTemplate: "/firmware/VARS.fd", requiresSMM: false,
          secureBoot: false),
        accelerator: .tcg)
    ).plan()
  }

  /// What is done to the profile and with which system, a word a step.
  private func switches(_ plan: BuildPlan) throws -> [String] {
    func name(_ system: String) throws -> String {
      "\(try #require(Self.systems.firstIndex(of: system)) + 1)"
    }
    return try plan.steps.compactMap { planned in
      switch planned.step {
      case .setSystemProfile(let system, let profile, let generation, _):
        "\(profile)-\(generation)-link=\(try name(system))"
      case .activate(let system): "activate \(try name(system))"
      case .installBootLoader(let system, true, _, _, _, let bootFiles):
        bootFiles == .mebibytes(60) ? "boot \(try name(system))" : nil
      case .runScript(let system, _): "run \(try name(system))"
      default: nil
      }
    }
  }

  @Test func thePlanIsTheGoldenOne() throws {
    try expectSnapshot(plan { $0.currentGeneration = 2 }.json(), named: "plan-efi-generations.json")
  }

  @Test func eachGenerationIsSwitchedToAfterTheFirstIsInstalled() throws {
    let profile = "/nix/var/nix/profiles/system"
    let all = [
      "\(profile)-1-link=1", "activate 1", "boot 1", "\(profile)-2-link=2", "boot 2", "\(profile)-3-link=3",
      "boot 3",
    ]
    #expect(try switches(plan()) == all)
    #expect(try switches(plan { $0.currentGeneration = 3 }) == all)
    let script = try plan { $0.postInstall = "true" }
    #expect(try switches(script) == all + ["run 1"])
    #expect(script.steps.last?.step.name == "handOver")
  }

  @Test func anEarlierGenerationIsSwitchedBackToInTheEnd() throws {
    let profile = "/nix/var/nix/profiles/system"
    let plan = try plan { $0.currentGeneration = 1 }
    #expect(try switches(plan).suffix(3) == ["boot 3", "\(profile)-1-link=1", "boot 1"])
    #expect(plan.system == Self.systems[0])
    #expect(plan.generations == Generations(systems: Self.systems, current: 1))
  }

  @Test func withoutABootLoaderTheProfileIsSetAlone() throws {
    let profile = "/nix/var/nix/profiles/system"
    let plan = try plan {
      $0.installBootLoader = false
      $0.currentGeneration = 2
    }
    #expect(
      try switches(plan) == [
        "\(profile)-1-link=1", "activate 1", "\(profile)-2-link=2", "\(profile)-3-link=3",
        "\(profile)-2-link=2",
      ])
  }

  @Test func aFurtherProfileIsWhereNixosRebuildHasIt() throws {
    let plan = try plan { $0.profile = "test_1" }
    let profile = "/nix/var/nix/profiles/system-profiles/test_1"
    #expect(
      try switches(plan).filter { $0.contains("link") }.map { $0.split(separator: "=")[0] }
        == (1...3).map { "\(profile)-\($0)-link" })
    #expect(plan.generations?.profile == "test_1")
  }

  @Test func eachBootLoaderSigns() throws {
    let plan = try plan {
      $0.secureBoot = SecureBootSpec(
        pk: "/pk", kek: ["/kek"], db: ["/db"], sign: SigningSpec(key: "/key", cert: "/cert"))
    }
    #expect(
      plan.steps.filter { !$0.secrets.isEmpty }.map(\.step.name)
        == Array(repeating: "installBootLoader", count: 3))
  }

  @Test func identifiersFollowFromAllSystems() throws {
    let (one, two) = (try plan(of: [Self.systems[0]]), try plan(of: Array(Self.systems[...1])))
    #expect(try one.target.guid != two.target.guid)
    #expect(try plan { $0.currentGeneration = 1 }.target.guid == plan().target.guid)
  }

  @Test func theBootPartitionsAloneHaveAllGenerations() throws {
    #expect(try plan { $0.store = .host }.generations?.systems == Self.systems)
  }

  @Test func oneSystemIsAListOfOne() throws {
    let (short, long) = (try read(#"{"system": "/a"}"#), try read(#"{"systems": ["/a"]}"#))
    #expect(short == long && short.system == "/a" && short.systems == ["/a"])
    #expect(String(decoding: try JSONEncoder().encode(long), as: UTF8.self) == #"{"system":"\/a"}"#)
    let several = try read(#"{"systems": ["/a", "/b"], "currentGeneration": 1, "profile": "p"}"#)
    #expect(several.system == nil && several.systems == ["/a", "/b"])
    for spec in [short, several, ImageSpec()] {
      #expect(try JSONDecoder().decode(ImageSpec.self, from: JSONEncoder().encode(spec)) == spec)
    }
  }

  @Test func systemsOfFlagsTakeThePlaceOfTheFiles() throws {
    let (one, two) = (try read(#"{"system": "/a"}"#), try read(#"{"systems": ["/b", "/c"]}"#))
    #expect(one.overridden(by: two).systems == ["/b", "/c"])
    #expect(two.overridden(by: one).systems == ["/a"])
    #expect(two.overridden(by: ImageSpec()).systems == ["/b", "/c"])
    let flag = try #require(SpecFlag.all.first { $0.name == "system" })
    #expect(flag.isRepeated && flag.path == ["systems"])
  }

  @Test func bothFormsTogetherAreRefused() throws {
    let error = try #require(throws: SpecError.self) { try read(#"{"systems": ["/a"], "system": "/a"}"#) }
    #expect(error.key == "systems" && error.message.contains("system is given as well"))
  }

  @Test(arguments: [
    (#"{"systems": []}"#, "systems"),
    (#"{"systems": ["/a", "/b"], "currentGeneration": 0}"#, "currentGeneration"),
    (#"{"systems": ["/a", "/b"], "currentGeneration": 3}"#, "currentGeneration"),
    (#"{"system": "/a", "currentGeneration": 2}"#, "currentGeneration"),
    (#"{"system": "/a", "profile": "a-b"}"#, "profile"), (#"{"system": "/a", "profile": "../a"}"#, "profile"),
    (#"{"systems": ["/a", "/b"], "onlyNixStore": true}"#, "systems"),
    (#"{"system": "/a", "currentGeneration": 1, "onlyNixStore": true}"#, "currentGeneration"),
    (#"{"system": "/a", "profile": "p", "onlyNixStore": true}"#, "profile"),
  ])
  func whatIsNoGenerationIsRefused(json: String, key: String) throws {
    let error = try #require(throws: SpecError.self) { try ResolvedSpec(read(json)) }
    #expect(error.key == key && !error.remedy.isEmpty)
  }
}

import Basics
import Ext4
import ImageModel
import Testing

@testable import BuildPlan
@testable import ImageBuilder

/// What is said of two builds that are not the same.
@Suite struct SecondBuildTests {
  private func manifest(
    _ files: [String: String], variables: [String: String] = [:], directPath: String? = nil
  ) -> Manifest {
    Manifest(
      spec: ImageSpec(), system: "/nix/store/x", seed: GUID(high: 1, low: 2), time: 1,
      sealed: directPath == nil,
      directPath: directPath,
      disk: DiskLayout(
        table: .none, sectorSize: 512, sectors: 8, guid: GUID(high: 1, low: 2), partitions: []),
      images: [], efiVariables: nil, firmware: nil,
      efiVariableChanges: variables.map {
        Manifest.VariableChange(kind: .added, variable: $0.key, value: $0.value, isFirmwareOwned: false)
      },
      files: files.map { Manifest.File(path: $0.key, size: 1, sha256: $0.value) }.sorted {
        $0.path < $1.path
      },
      tools: [:])
  }

  private func record(_ nodes: [Node]) throws -> TreeRecord {
    let record = TreeRecord()
    try record.add(ListedNodes(nodes), at: "/var")
    return record
  }

  private func file(_ path: String, _ text: String, mode: UInt16 = 0o644, owner: UInt32 = 0, time: Int64 = 1)
    throws -> Node
  {
    Node(
      path: try #require(TreePath(path)), kind: .file(.bytes(Array(text.utf8))),
      attributes: Attributes(mode: mode, owner: owner, time: Timestamp(seconds: time)))
  }

  @Test func equalBuildsPass() throws {
    let (manifest, trees) = (manifest(["a": "1"]), try record([file("x", "1")]))
    try SecondBuild(first: manifest, second: manifest, trees: (trees, record([file("x", "1")]))).check()
  }

  @Test func eachFileIsNamedWithWhatDiffers() throws {
    let first = try record([
      file("a", "1"), file("b", "1", mode: 0o600), file("c", "1"), file("d", "1", time: 2), file("same", "1"),
      file("z", "1"),
    ])
    let second = try record([
      file("a", "2"), file("b", "1"),
      Node(
        path: #require(TreePath("c")), kind: .kept,
        attributes: Attributes(mode: 0, time: Timestamp(seconds: 0))),
      file("d", "3", owner: 1), file("new", "1"), file("same", "1"),
    ])
    let error = #expect(throws: Fault.self) {
      try SecondBuild(
        first: manifest(["nixos.img": "1", "same": "1"], variables: ["Boot0001-g": "1"]),
        second: manifest(["nixos.img": "2", "same": "1"], variables: ["Boot0001-g": "2"]),
        trees: (first, second)
      ).check()
    }
    #expect(error?.kind == .failed)
    #expect(error?.message == "the image is not reproducible: a second build has another nixos.img")
    #expect(
      error?.evidence == [
        "/var/a: content", "/var/b: mode", "/var/c: type", "/var/d: content, owner, time",
        "/var/new: in the second build only", "/var/z: in the first build only", "EFI variable Boot0001-g",
      ])
  }

  @Test func anUnsealedDiskHasItsReason() throws {
    let (first, second) = (
      manifest(["i": "1"], directPath: "the root is xfs"), manifest(["i": "2"], directPath: "the root is xfs")
    )
    let error = #expect(throws: Fault.self) {
      try SecondBuild(first: first, second: second, trees: (TreeRecord(), TreeRecord())).check()
    }
    #expect(error?.remedy?.contains("the root is xfs") == true)
  }

  @Test func theListIsBounded() throws {
    let first = try record((0..<100).map { try file("f\($0)", "1") })
    let error = #expect(throws: Fault.self) {
      try SecondBuild(first: manifest(["i": "1"]), second: manifest(["i": "2"]), trees: (first, TreeRecord()))
        .check()
    }
    #expect(error?.evidence.count == 41 && error?.evidence.last == "and 60 more")
  }

  @Test(arguments: [(1, 2), (2, 1), (8, 7)])
  func theOtherMachineHasAnotherSize(cpus: Int, other: Int) {
    #expect(
      MachinePlan(accelerator: .tcg, memory: 512, cpus: cpus, firmware: nil, kernelCommandLine: "", clock: 1)
        .other.cpus == other)
  }
}

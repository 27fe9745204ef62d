import Command
import Ext4
import Ext4Geometry
import Foundation
import ImageModel
import SystemPackage
import TestSupport
import Testing

@testable import BuildPlan
@testable import ImageBuilder
@testable import NixStore

/// What the host pours, and how it fails.
@Suite struct PouredTreeTests {
  /// A store with one object, made by hand.
  private struct Fixture {
    let store: StoreLocation
    let tree: PouredTree
    let object: FilePath
    let image: FilePath

    init(in scratch: FilePath, _ shape: PourPlan.Tree) throws {
      store = StoreLocation(root: scratch.appending("root"))
      let path = try #require(StorePath(name: String(repeating: "0", count: 32) + "-hello"))
      object = store.file(of: path)
      image = scratch.appending("image")
      try FileManager.default.createDirectory(
        atPath: object.appending("bin").string, withIntermediateDirectories: true)
      try Data("hello".utf8).write(to: URL(fileURLWithPath: object.appending(["bin", "hello"]).string))
      let hash = try #require(NarHash(String(repeating: "a", count: 64)))
      tree = PouredTree(
        closure: Closure(roots: [path], paths: [StorePathInfo(path: path, narHash: hash, narSize: 1)]),
        store: store, shape: shape, registration: scratch.appending("registration"))
    }

    var plan: PourPlan {
      let uuid = GUID(high: 1, low: 2)
      return PourPlan(
        tree: tree.shape, place: .target, offset: .mebibytes(1), size: .mebibytes(16),
        filesystem: Filesystem(kind: .ext4, label: "nixos", uuid: uuid, mountPoint: "/", inodes: 256),
        hashSeed: uuid, time: 946_814_400)
    }

    func need() async throws -> TreeNeed {
      try await Ext4.measure(tree.nodes(), hashSeed: plan.hashSeed)
    }

    func pour(_ need: TreeNeed) async throws {
      try await Pour(tree: tree, plan: plan, need: need).run(to: image)
    }

    func pour() async throws {
      try await tree.writeRegistration()
      try await pour(need())
    }

    /// One line of `debugfs` about a path of the image: mode, owner, group, size.
    func status(_ path: String) async throws -> [Substring] {
      let runner = SubprocessRunner()
      let text = try await runner.run("debugfs", "-R", "stat \(path)", "\(image)?offset=\(1 << 20)")
      let words = text.split { $0.isWhitespace }
      return ["Mode:", "User:", "Group:", "Size:", "mtime:"].compactMap { name in
        words.firstIndex(of: Substring(name)).map { words[$0 + 1] }
      }
    }
  }

  @Test func aRootHasWhatNixMakesForItself() async throws {
    try await withScratchDirectory { scratch in
      let fixture = try Fixture(in: scratch, .root)
      try await fixture.pour()
      #expect(try await fixture.status("/nix/store").prefix(3) == ["01775", "0", "30000"])
      for name in ["gcroots/auto", "profiles/per-user", "temproots", "userpool", "db"] {
        #expect(try await fixture.status("/nix/var/nix/\(name)").prefix(3) == ["0755", "0", "0"])
      }
      #expect(try await fixture.status("/nix/var/nix/db/db.sqlite").prefix(3) == ["0644", "0", "0"])
      #expect(try await fixture.status("/nix/var/nix/db/schema").prefix(4) == ["0644", "0", "0", "2"])
      #expect(try await fixture.status("/nix/var/nix/db/big-lock").prefix(4) == ["0600", "0", "0", "0"])
      let object = "/nix/store/\(String(repeating: "0", count: 32))-hello"
      #expect(try await fixture.status("\(object)/bin/hello").dropFirst(3) == ["5", "0x00000001:00000000"])
      try await SubprocessRunner().run("e2fsck", "-fn", "\(fixture.image)?offset=\(1 << 20)")
    }
  }

  @Test func aStoreAloneHasItsObjectsAtTheRoot() async throws {
    try await withScratchDirectory { scratch in
      let fixture = try Fixture(in: scratch, .store)
      try await fixture.pour()
      #expect(try await fixture.status("/\(String(repeating: "0", count: 32))-hello/bin/hello")[3] == "5")
      let registration = try await SubprocessRunner().run(
        "debugfs", "-R", "cat /nix-path-registration", "\(fixture.image)?offset=\(1 << 20)")
      #expect(registration.hasPrefix("/nix/store/0000"))
    }
  }

  @Test func aStoreThatLostAFileAfterItWasMeasuredIsNoticed() async throws {
    try await withScratchDirectory { scratch in
      let fixture = try Fixture(in: scratch, .root)
      try await fixture.tree.writeRegistration()
      let need = try await fixture.need()
      try FileManager.default.removeItem(atPath: fixture.object.appending(["bin", "hello"]).string)
      let error = await #expect(throws: BuildError.self) { try await fixture.pour(need) }
      #expect(error?.message.contains("the store changed while it was written") == true)
    }
  }

  @Test func aRegistrationThatIsGoneIsNamed() async throws {
    try await withScratchDirectory { scratch in
      let fixture = try Fixture(in: scratch, .root)
      let error = await #expect(throws: BuildError.self) {
        try await fixture.pour(TreeNeed(blocks: 0, inodes: 0))
      }
      #expect(error?.message.contains("\(scratch)/registration' vanished") == true)
    }
  }

  @Test func aTreeThatGrewAfterItWasMeasuredIsNamed() async throws {
    try await withScratchDirectory { scratch in
      let fixture = try Fixture(in: scratch, .root)
      let large = fixture.object.appending("large").string
      try Data(repeating: 1, count: 32 << 20).write(to: URL(fileURLWithPath: large))
      let error = await #expect(throws: BuildError.self) { try await fixture.pour() }
      #expect(error?.message.contains("large") == true)
      #expect(error?.message.contains("full") == true)
    }
  }
}

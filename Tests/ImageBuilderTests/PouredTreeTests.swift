internal import Basics
import Command
import Ext4
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
    var tree: PouredTree
    let object: FilePath
    let image: FilePath

    init(in scratch: FilePath, _ shape: PourPlan.Tree, _ contents: [ContentEntry] = []) async throws {
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
        store: store, shape: shape,
        contents: try await HostContents(
          contents.enumerated().map { PlannedContent($1, index: $0) }, store: store))
      try await tree.register()
    }

    var plan: PourPlan {
      let uuid = GUID(high: 1, low: 2)
      return PourPlan(
        tree: tree.shape, device: .disk(serial: "d"), offset: .mebibytes(1), size: .mebibytes(16),
        filesystem: Filesystem(kind: .ext4, label: "nixos", uuid: uuid, mountPoint: "/", inodes: 256),
        hashSeed: uuid, time: 946_814_400)
    }

    func measure() async throws -> Int {
      let witness = TreeWitness()
      _ = try await Ext4.measure(witness.watch(tree.nodes()), hashSeed: plan.hashSeed)
      return witness.fingerprint
    }

    func pour(_ fingerprint: Int) async throws {
      try await Pour(tree: tree, plan: plan, fingerprint: fingerprint).run(to: image)
    }

    func pour() async throws {
      try await pour(measure())
    }

    /// What `debugfs` says of a path of the image.
    func status(
      _ path: String, _ fields: [String] = ["Mode:", "User:", "Group:", "Size:", "mtime:"]
    ) async throws -> [Substring] {
      let runner = SubprocessRunner()
      let text = try await runner.run("debugfs", "-R", "stat \(path)", "\(image)?offset=\(1 << 20)")
      let words = text.split { $0.isWhitespace }
      return fields.compactMap { name in
        words.firstIndex(of: Substring(name)).map { words[$0 + 1] }
      }
    }
  }

  @Test func aRootHasWhatNixMakesForItself() async throws {
    try await withScratchDirectory { scratch in
      let fixture = try await Fixture(in: scratch, .root)
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

  /// The time that a bootloader's builder puts into its menu is one of these.
  @Test func aStoreObjectHasNoTimeOfTheHost() async throws {
    try await withScratchDirectory { scratch in
      let fixture = try await Fixture(in: scratch, .root)
      try await fixture.pour()
      let object = "/nix/store/\(String(repeating: "0", count: 32))-hello"
      for path in [object, "\(object)/bin/hello"] {
        let times = try await fixture.status(path, ["ctime:", "atime:", "mtime:"])
        #expect(times == ["0x00000001:00000000", "0x00000001:00000000", "0x00000001:00000000"])
      }
    }
  }

  @Test func contentsAreInTheTree() async throws {
    try await withScratchDirectory { scratch in
      let source = scratch.appending("source")
      let script = """
        mkdir -p "$1/folder/sub"; echo text > "$1/folder/sub/file"; chmod 640 "$1/folder/sub/file"
        ln -s sub/file "$1/folder/link"; echo one > "$1/x1"; echo two > "$1/x2"; touch -d @123456789 "$1/x1"
        chown 1000:1000 "$1/x1"
        """
      try await SubprocessRunner().run("sh", "-c", script, "sh", source.string)
      let fixture = try await Fixture(
        in: scratch, .root,
        [
          ContentEntry(source: "\(source)/folder", target: "/etc/merged"),
          ContentEntry(source: "\(source)/x1", target: "/etc/merged-too/one", mode: ContentMode("4755")),
          ContentEntry(source: "\(source)/x*", target: "/srv"),
          ContentEntry(source: "\(source)/folder", target: "/etc/moded", mode: ContentMode("644")),
        ])
      try await fixture.pour()
      #expect(try await fixture.status("/etc").prefix(3) == ["0755", "0", "0"])
      #expect(try await fixture.status("/etc/merged/sub/file").prefix(4) == ["0640", "0", "0", "5"])
      #expect(try await fixture.status("/etc/merged/link").prefix(1) == ["0777"])
      let one = try await fixture.status("/etc/merged-too/one")
      #expect(one == ["04755", "0", "0", "4", "0x075bcd15:00000000"])
      // No content is younger than the image.
      #expect(try await fixture.status("/srv/x2")[3...] == ["4", "0x386f3dc0:00000000"])
      #expect(try await fixture.status("/etc/moded").prefix(1) == ["0755"])
      #expect(try await fixture.status("/etc/moded/sub/file").prefix(1) == ["0644"])
      try await SubprocessRunner().run("e2fsck", "-fn", "\(fixture.image)?offset=\(1 << 20)")
    }
  }

  @Test func contentsThatAreNotThereOrTwiceAreRefused() async throws {
    try await withScratchDirectory { scratch in
      func fault(_ entries: [ContentEntry]) async throws -> SpecError {
        try #require(
          await #expect(throws: SpecError.self) { try await HostContents(entries.map { PlannedContent($0) }) }
        )
      }
      let missing = try await fault([ContentEntry(source: "\(scratch)/no", target: "/a")])
      #expect(missing.message.contains("\(scratch)/no"))
      #expect(try await fault([ContentEntry(source: "\(scratch)/no*", target: "/a")]).message.contains("no*"))
      try Data().write(to: URL(fileURLWithPath: scratch.appending("yes").string))
      let twice = try await fault([
        ContentEntry(source: "\(scratch)/y*", target: "/a"),
        ContentEntry(source: "\(scratch)/yes", target: "/a/yes"),
      ])
      #expect(twice.message.contains("/a/yes"))
    }
  }

  @Test func contentsThatCollideInsideAFolderAreRefusedBeforeAMachineStarts() async throws {
    try await withScratchDirectory { scratch in
      let folder = scratch.appending("folder").string
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      try Data().write(to: URL(fileURLWithPath: "\(folder)/file"))
      let fixture = try await Fixture(
        in: scratch, .root,
        [
          ContentEntry(source: folder, target: "/etc/a"),
          ContentEntry(source: "\(folder)/file", target: "/etc/a/file"),
        ])
      let error = await #expect(throws: Fault.self) { try await fixture.measure() }
      #expect(error?.description.contains("/etc/a/file' is twice") == true, "\(String(describing: error))")
    }
  }

  @Test func aStoreAloneHasItsObjectsAtTheRoot() async throws {
    try await withScratchDirectory { scratch in
      let fixture = try await Fixture(in: scratch, .store)
      try await fixture.pour()
      #expect(try await fixture.status("/\(String(repeating: "0", count: 32))-hello/bin/hello")[3] == "5")
      let registration = try await SubprocessRunner().run(
        "debugfs", "-R", "cat /nix-path-registration", "\(fixture.image)?offset=\(1 << 20)")
      #expect(registration.hasPrefix("/nix/store/0000"))
    }
  }

  @Test(arguments: ["rm", "truncate -s 1", "touch -d @1", "chmod 700", "ln -sf x"])
  func aStoreThatChangesAfterItWasMeasuredIsNoticed(change: String) async throws {
    try await withScratchDirectory { scratch in
      let fixture = try await Fixture(in: scratch, .root)
      let fingerprint = try await fixture.measure()
      #expect(try await fixture.measure() == fingerprint)
      let file = fixture.object.appending(["bin", "hello"]).string
      try await SubprocessRunner().run("sh", "-c", "\(change) \"$1\"", "sh", file)
      let error = await #expect(throws: Fault.self) { try await fixture.pour(fingerprint) }
      #expect(error?.message.contains("changed while they were written") == true)
    }
  }

  @Test func aTreeThatGrewAfterItWasMeasuredIsNamed() async throws {
    try await withScratchDirectory { scratch in
      let fixture = try await Fixture(in: scratch, .root)
      let large = fixture.object.appending("large").string
      try Data(repeating: 1, count: 32 << 20).write(to: URL(fileURLWithPath: large))
      let error = await #expect(throws: Fault.self) { try await fixture.pour() }
      #expect(error?.message.contains("large") == true)
      #expect(error?.message.contains("full") == true)
    }
  }
}

/// Root's channel, and files that must not be in the store.
@Suite struct ChannelAndExtraFileTests {
  @Test func aChannelIsTheProfileOfRoot() async throws {
    try await withScratchDirectory { scratch in
      let store = StoreLocation(root: scratch.appending("root"))
      let path = try #require(StorePath(name: String(repeating: "0", count: 32) + "-nixos"))
      try FileManager.default.createDirectory(
        atPath: store.file(of: path).appending("nixos").string, withIntermediateDirectories: true)
      let error = try #require(throws: SpecError.self) { try Channel.find(path.path, in: store) }
      #expect(error.message.contains("default.nix"))
      try Data("{ }".utf8).write(
        to: URL(fileURLWithPath: store.file(of: path).appending(["nixos", "default.nix"]).string))
      #expect(try Channel.find(path.path, in: store) == path)
      let outside = try #require(throws: SpecError.self) { try Channel.find("/etc", in: store) }
      #expect(outside.remedy.contains("nix-store --add"))
      let nodes = Channel.nodes(for: path, in: store, time: Timestamp(seconds: 7))
      #expect(nodes.allSatisfy { $0.attributes.modified == Timestamp(seconds: 7) })
    }
  }

  @Test func anExtraFileIsFollowedButNotIntoTheStore() async throws {
    try await withScratchDirectory { scratch in
      let store = StoreLocation(root: scratch.appending("root"))
      try FileManager.default.createDirectory(
        atPath: store.directory.appending("x").string, withIntermediateDirectories: true)
      let (inside, link) = (store.directory.appending("x/key"), scratch.appending("link"))
      try Data("k".utf8).write(to: URL(fileURLWithPath: inside.string))
      try FileManager.default.createSymbolicLink(atPath: link.string, withDestinationPath: inside.string)
      for source in [inside, link] {
        let entry = ContentEntry(source: source.string, target: "/k")
        let error = await #expect(throws: SpecError.self) {
          try await HostContents([PlannedContent(key: "extraFiles", entry)], store: store)
        }
        #expect(error?.key == "extraFiles")
        #expect(error?.message.contains("Nix store") == true)
      }
    }
  }
}

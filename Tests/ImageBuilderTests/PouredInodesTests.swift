import AgentProtocol
import Basics
import Command
import Ext4
import Foundation
import ImageModel
import InstallSteps
import SystemPackage
import TestSupport
import Testing

@testable import ImageBuilder

/// A real kernel changes a poured filesystem, and what is handed over does not depend on how unchanged store objects are told.
@Suite("Store objects that are told by their inodes")
struct PouredInodesTests {
  /// What is done to the mounted filesystem, by a shell in its root; the objects of the store that it changes; and whether
  /// only a file below the object's own directory tells.
  struct Change: CustomTestStringConvertible, Sendable {
    var script: String
    var objects: Set<String>
    var isWithin = true

    var testDescription: String { script.isEmpty ? "nothing" : script }
  }

  static let changes = [
    Change(script: "", objects: []),
    Change(script: "echo more >> nix/store/b/share/file700", objects: ["b"]),
    Change(script: "printf x | dd of=nix/store/b/share/file1 conv=notrunc status=none", objects: ["b"]),
    Change(script: "chmod 600 nix/store/c/share/file3", objects: ["c"]),
    Change(script: "chown 5 nix/store/a/share", objects: ["a"]),
    Change(script: "touch -d @1 nix/store/a/share/file0", objects: ["a"]),
    Change(script: "setfattr -n user.origin -v here nix/store/c/share/file9", objects: ["c"]),
    Change(script: "chattr +A nix/store/c/share/file9", objects: ["c"]),
    Change(script: "touch nix/store/a/share/new", objects: ["a"]),
    Change(script: "rm nix/store/c/share/file899", objects: ["c"]),
    Change(script: "mv nix/store/a/share/file1 nix/store/c/share/moved", objects: ["a", "c"]),
    Change(script: "ln nix/store/b/share/file1 nix/store/c/share/link", objects: ["b", "c"]),
    Change(script: "ln -f nix/store/z nix/store/c/share/file5", objects: ["c", "z"]),
    // What comes anew takes inodes that were given back.
    Change(script: "rm -r nix/store/b; cp -r nix/store/c nix/store/d", objects: ["d"], isWithin: false),
    Change(script: "rm nix/store/b/share/file*; touch etc-like nix/store/b/share/file7", objects: ["b"]),
    Change(script: "mv nix/store/b nix/store/e", objects: ["e"], isWithin: false),
    Change(script: "rmdir nix/var; echo more >> nix/store/c/share/file899; mkdir nix/var", objects: ["c"]),
    Change(script: "touch -d @1 nix/store/z", objects: ["z"], isWithin: false),
  ]

  @Test("Both ways hand over the same", arguments: changes)
  func sameArchive(_ change: Change) async throws {
    try await withScratchDirectory { scratch in
      let image = try await Self.image(in: scratch)
      let before = scratch.appending("before")
      try await SubprocessRunner().run("cp", "--sparse=always", image.string, before.string)
      try await Self.withMount(of: image, in: scratch) { root in
        let shell = "cd \(root) && \(change.script.isEmpty ? ":" : change.script) && sync -f ."
        try await SubprocessRunner().run("sh", "-c", shell)
        let device = try await SubprocessRunner().run("findmnt", "-n", "-o", "SOURCE", root.string)
        let live = FilePath(device.trimmingCharacters(in: .whitespacesAndNewlines))

        let walked = try Self.archive(of: root, disk: nil, at: scratch.appending("walked"))
        let told = try Self.archive(of: root, disk: live, at: scratch.appending("told"))
        #expect(walked.bytes == told.bytes)
        let objects = try Self.objects(of: root)
        #expect(told.kept == objects.subtracting(change.objects))

        // With the table of before, what is changed within an object is not seen: so it was the table that told.
        let stale = try Self.archive(of: root, disk: before, at: scratch.appending("stale"))
        if change.isWithin, change.objects.count == 1, change.script.contains("/share/file") {
          #expect(change.objects.isSubset(of: stale.kept))
        }
      }
    }
  }

  @Test("What is no ext4 filesystem, or ends early, tells nothing", arguments: [0, 2048, 20_000])
  func damaged(_ count: Int) async throws {
    try await withScratchDirectory { scratch in
      let image = try await Self.image(in: scratch)
      let short = scratch.appending("short")
      try await SubprocessRunner().run("cp", "--sparse=always", image.string, short.string)
      try await SubprocessRunner().run("truncate", "-s", "\(count)", short.string)
      try await Self.withMount(of: image, in: scratch) { root in
        let walked = try Self.archive(of: root, disk: nil, at: scratch.appending("walked"))
        let told = try Self.archive(of: root, disk: short, at: scratch.appending("told"))
        #expect(walked.bytes == told.bytes)
        #expect(told.kept == ["a", "b", "c", "z"])
      }
    }
  }

  /// Three objects with 900 files each, so that they lie in several tables, and one that is a file.
  private static func image(in scratch: FilePath) async throws -> FilePath {
    func node(_ path: String, _ kind: Node.Kind = .directory) throws -> Node {
      Node(
        path: try #require(TreePath(path)), kind: kind,
        attributes: Attributes(mode: kind == .directory ? 0o755 : 0o444, time: Timestamp(seconds: 1)))
    }
    var nodes = [try node("nix"), try node("nix/store")]
    for object in ["a", "b", "c"] {
      nodes += [try node("nix/store/\(object)"), try node("nix/store/\(object)/share")]
      for file in (0..<900).map({ "file\($0)" }).sorted() {
        nodes.append(try node("nix/store/\(object)/share/\(file)", .file(.bytes(Array(file.utf8)))))
      }
    }
    nodes += [try node("nix/store/z", .file(.bytes([65]))), try node("nix/var")]
    let image = scratch.appending("image")
    let options = Ext4Options(
      size: .mebibytes(400), uuid: GUID(high: 1, low: 2), hashSeed: GUID(high: 1, low: 2), inodes: 4096)
    _ = try await Ext4.pour(ListedNodes(nodes), to: image, options)
    return image
  }

  private static func archive(
    of root: FilePath, disk: FilePath?, at file: FilePath
  ) throws -> (bytes: Data, kept: Set<String>) {
    #expect(FileManager.default.createFile(atPath: file.string, contents: nil))
    let writer = try HandoverWriter(file.string)
    try writer.add(ArchiveDraft.tree(0))
    let handle = try disk.map { try FileHandle(forReadingFrom: URL(filePath: $0.string)) }
    let bytes = try handle.map { handle in
      ImageBytes(size: try handle.seekToEnd()) { count, offset in
        try handle.seek(toOffset: offset)
        return Array(try handle.read(upToCount: count) ?? Data())
      }
    }
    try HandoverTree(writer: writer, poured: [1], disk: bytes).run(from: root.string)
    try writer.add(ArchiveDraft.end)
    try writer.finish()
    let archive = try HandoverArchive(file, trees: 1, regions: [], keeping: 0, latest: ArchiveDraft.latest)
    var nodes = try archive.nodes(ofTree: 0)
    var kept: Set<String> = []
    while let node = try nodes.next() {
      guard case .kept = node.kind else { continue }
      let path = String(decoding: node.path.bytes, as: UTF8.self)
      let object = path.dropFirst("nix/store/".count)
      // Of what was changed the files that were not are kept one by one.
      if path.hasPrefix("nix/store/"), !object.contains("/") { kept.insert(String(object)) }
    }
    return (try Data(contentsOf: URL(filePath: file.string)), kept)
  }

  private static func objects(of root: FilePath) throws -> Set<String> {
    Set(try FileManager.default.contentsOfDirectory(atPath: root.appending("nix/store").string))
  }

  private static func withMount(
    of image: FilePath, in scratch: FilePath, _ body: (FilePath) async throws -> Void
  ) async throws {
    let root = scratch.appending("root")
    try FileManager.default.createDirectory(atPath: root.string, withIntermediateDirectories: false)
    try await SubprocessRunner().run("mount", "-o", "loop,noatime", image.string, root.string)
    let outcome: Result<Void, any Error>
    do { outcome = .success(try await body(root)) } catch { outcome = .failure(error) }
    try await SubprocessRunner().run("umount", root.string)
    try outcome.get()
  }
}

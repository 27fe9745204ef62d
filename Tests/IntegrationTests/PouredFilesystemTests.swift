import Basics
import Command
import Ext4
import Ext4Geometry
import Foundation
import ImageModel
import SystemPackage
import TestSupport
import Testing

/// Poured filesystems in the hands of a real kernel.
@Suite(.enabled(if: geteuid() == 0, "needs root, for owners and device nodes"))
struct PouredFilesystemTests {
  /// As it was poured, and with parts that were handed over and sealed.
  @Test(.virtualMachines, .timeLimit(.minutes(6)), arguments: [false, true])
  func aKernelFindsTheTreeAndWorksOnItAsOnAnyOther(isSealed: Bool) async throws {
    try await withTree { scratch, tree in
      try await FilesystemGuest.makeTree(tree)
      let guest = try await FilesystemGuest(in: scratch)
      let moment = Int(Date().timeIntervalSince1970) + 1
      let image = scratch.appending("image")
      let options = try await pour(tree, to: image)
      if isSealed {
        _ = try await Ext4.replaceTree(in: image, options) {
          PartlyKept(nodes: FileTree([.init(host: tree, path: .root)], rules: .asFound))
        }
      }
      #expect(try await FilesystemCheck.remarks(on: image) == [])
      let expected = try await guest.listing(of: tree)
      #expect(expected.lines.count > 6000)

      // To a size for which the resize inode has to give up a block.
      try await SubprocessRunner().run("truncate", "-s", "10G", image.string)
      let found = try await guest.work(on: image, moment: moment)
      try #require(found.console.contains("SLIPWAY-FILESYSTEM-WORKS"), "\(found.console)")
      #expect(found.poured.differences(from: expected) == [])
      #expect(found.complaints == "")

      // The same load on the source leaves the same tree.
      try await guest.load(tree)
      let loaded = try await guest.listing(of: tree, moment: moment)
      #expect(loaded.lines.count > 12000)
      #expect(loaded.lines.count { $0.contains(" mtime=") } > 4000)
      #expect(found.loaded.differences(from: loaded) == [])

      let superblock = try await SubprocessRunner().run("dumpe2fs", "-h", image.string)
      #expect(superblock.contains(/Block count: +2621440\n/))
      try await SubprocessRunner().run("e2fsck", "-fn", image.string)
    }
  }

  /// A change by a shell command, and the fields of `/file` in which it shows; none when the whole entry is gone.
  struct Change: CustomTestStringConvertible {
    var command: String
    var fields: Set<String>
    var testDescription: String { command }

    init(_ command: String, _ fields: String...) {
      self.command = command
      self.fields = Set(fields)
    }
  }

  private static let changes = [
    Change("touch -m -d @5.000000001 file", "mtime"),
    Change("touch -a -d @5.000000001 file", "atime"),
    Change("printf x | dd of=file conv=notrunc seek=70000 bs=1 status=none", "content", "mtime"),
    Change("printf x >> file", "content", "mtime", "size"),
    Change("fallocate --punch-hole --offset 0 --length 65536 file", "data", "content", "mtime"),
    Change("chmod 600 file", "mode"),
    Change("chown 100000:100001 file", "uid", "gid"),
    Change("ln file another", "links", "first"),
    Change("cp -a file x && mv x file", "links", "first"),
    Change("setfattr -n trusted.x -v other file", "trusted.x"),
    Change("setfattr -x user.y file", "user.y"),
    Change("ln -sfn other link"),
    Change("mv link 'link '"),
    Change("mknod device c 1 4"),
  ]

  /// The comparison above would see a difference in any of these.
  @Test(arguments: changes)
  func aListingShowsEveryDifference(change: Change) async throws {
    try await withTree { scratch, tree in
      let make = """
        mkdir "$0"; cd "$0"; { head -c 65536 /dev/zero; head -c 10000 /dev/urandom; } > file; ln file twin
        setfattr -n trusted.x -v value file; setfattr -n user.y -v value file; ln -s target link
        touch -m -d @7000000000.5 file; touch -h -a -d @8000000000 . file link; sync file
        """
      try await SubprocessRunner().run("sh", "-ec", make, tree.string)
      let guest = try await FilesystemGuest(in: scratch)
      let before = try await guest.listing(of: tree)
      #expect(try await guest.listing(of: tree).differences(from: before) == [])
      try await SubprocessRunner().run("sh", "-ec", "cd \"$0\"; \(change.command); sync .", tree.string)
      let after = try await guest.listing(of: tree)
      #expect(!after.differences(from: before).isEmpty)
      #expect(after.fields(of: "/file", thatDifferFrom: before) == change.fields)
    }
  }
}

/// A tree of which every second file is kept as it was poured, and the rest comes again.
private struct PartlyKept: NodeSource {
  var nodes: FileTree

  mutating func next() throws(Fault) -> Node? {
    guard var node = try nodes.next() else { return nil }
    let number = node.linkGroup?.inode ?? node.path.bytes.reduce(0) { $0 &+ UInt64($1) }
    if node.kind != .directory, number.isMultiple(of: 2) { (node.kind, node.linkGroup) = (.kept, nil) }
    return node
  }
}

/// Pours a tree into a filesystem made for it, with some room.
private func pour(_ tree: FilePath, to image: FilePath) async throws -> Ext4Options {
  let nodes = FileTree([.init(host: tree, path: .root)], rules: .asFound)
  let seed = GUID(high: 0x0f0e_0d0c_0b0a_4908, low: 0x8706_0504_0302_0100)
  let need = try await Ext4.measure(nodes, hashSeed: seed)
  let filesystem = try #require(need.filesystem(room: .mebibytes(192), inodes: 12000))
  let options = Ext4Options(
    size: filesystem.size, uuid: GUID(high: 0x1234_5678_9abc_4def, low: 0x8123_4567_89ab_cdef),
    hashSeed: seed, inodes: filesystem.inodes)
  _ = try await Ext4.pour(nodes, to: image, options)
  return options
}

/// A scratch folder, and a place in it for a tree whose names need not be text, which Foundation cannot remove.
private func withTree(_ body: (_ scratch: FilePath, _ tree: FilePath) async throws -> Void) async throws {
  try await withScratchDirectory { scratch in
    let tree = scratch.appending("tree")
    let result: Result<Void, any Error>
    do { result = .success(try await body(scratch, tree)) } catch { result = .failure(error) }
    _ = try await SubprocessRunner().run("rm", "-rf", tree.string)
    try result.get()
  }
}

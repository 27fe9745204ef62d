import Basics
import Command
import Ext4
import Foundation
import ImageModel
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import BuildPlan
@testable import ImageBuilder
@testable import NixStore

/// Passes commands on, and keeps them.
private final class NotingRunner: CommandRunner {
  private let noted = Mutex<[Command]>([])

  var commands: [Command] { noted.withLock { $0 } }

  func run(_ command: Command, log: @escaping @Sendable (String) -> Void) async throws -> String {
    noted.withLock { $0.append(command) }
    return try await SubprocessRunner().run(command, log: log)
  }
}

/// The bytes of a store depend on what is in it, and not on how this host keeps it.
@Suite struct StoreBytesTests {
  private func run(_ script: String, in folder: FilePath) async throws {
    try await SubprocessRunner().run("bash", "-ec", "cd \"$1\"; \(script)", "bash", folder.string)
  }

  private static let names = ["first", "second"]
    .map { String(repeating: "0", count: 32) + "-" + $0 }

  private func tree(in scratch: FilePath, root: String) async throws -> PouredTree {
    let paths = try Self.names.map { try #require(StorePath(name: $0)) }
    let hash = try #require(NarHash(String(repeating: "a", count: 64)))
    var tree = PouredTree(
      closure: Closure(
        roots: paths, paths: paths.map { StorePathInfo(path: $0, narHash: hash, narSize: 1) }),
      store: StoreLocation(root: scratch.appending(root)), shape: .store,
      contents: try await HostContents([]))
    try await tree.register()
    return tree
  }

  private func image(
    _ tree: PouredTree, _ kind: FilesystemKind, in scratch: FilePath, runner: NotingRunner
  ) async throws -> [UInt8] {
    let uuid = GUID(high: 1, low: 2)
    let file = scratch.appending("image-\(UUID().uuidString)")
    if kind == .ext4 {
      let witness = TreeWitness()
      _ = try await Ext4.measure(witness.watch(tree.nodes()), hashSeed: uuid)
      let plan = PourPlan(
        tree: .store, device: .disk(serial: "d"), offset: ByteSize(bytes: 0), size: .mebibytes(16),
        filesystem: Filesystem(kind: .ext4, label: "nix-store", uuid: uuid, mountPoint: "/", inodes: 256),
        hashSeed: uuid, time: 946_814_400)
      try await Pour(tree: tree, plan: plan, fingerprint: witness.fingerprint).run(to: file)
    } else {
      let staging = scratch.appending("staging-\(UUID().uuidString)")
      try HostFiles.makeDirectory(staging)
      try await ReadOnlyStore(tree: tree, kind: kind, uuid: uuid, runner: runner)
        .write(to: file, scratch: staging)
      #expect(try FileManager.default.contentsOfDirectory(atPath: staging.string).isEmpty)
    }
    return try HostFiles.read(file)
  }

  @Test(arguments: [FilesystemKind.ext4, .squashfs, .erofs])
  func anOptimisedStoreAndAPlainOneGiveTheSameBytes(kind: FilesystemKind) async throws {
    try await withScratchDirectory { scratch in
      // As `nix-store --optimise` leaves it: one inode for the same content in one object and in two.
      try await run(
        """
        mkdir -p optimised/nix/store; cd optimised/nix/store; mkdir -p {\(Self.names.joined(separator: ","))}/bin
        head -c 200000 /dev/urandom >\(Self.names[0])/a; ln \(Self.names[0])/a \(Self.names[0])/b
        ln \(Self.names[0])/a \(Self.names[1])/c; truncate -s 1M \(Self.names[0])/sparse
        echo x >\(Self.names[1])/bin/p; chmod 555 \(Self.names[1])/bin/p; ln \(Self.names[1])/bin/p \(Self.names[1])/q
        ln -s a \(Self.names[0])/l; echo odd >\(Self.names[0])/$'odd-\\xff'; chmod 444 */[a-c] */l */sparse */odd*
        touch -d @1 */* */bin/*; chmod 555 */bin *
        """, in: scratch)
      // Neither links nor modes nor times nor holes are those of the other.
      try await run(
        "mkdir -p plain/nix/store; cp -r --no-preserve=all --sparse=never optimised/nix/store plain/nix/; "
          + "cd plain/nix/store; chmod -R u+w *; chmod 744 */bin/p */q", in: scratch)
      let runner = NotingRunner()
      let optimised = try await image(tree(in: scratch, root: "optimised"), kind, in: scratch, runner: runner)
      let plain = try await image(tree(in: scratch, root: "plain"), kind, in: scratch, runner: runner)
      #expect(optimised.count > 200_000)
      #expect(optimised == plain)
      try await run("chmod -R u+w optimised", in: scratch)
    }
  }

  @Test(arguments: [FilesystemKind.squashfs, .erofs])
  func noCommandGrowsWithTheClosure(kind: FilesystemKind) async throws {
    try await withScratchDirectory { scratch in
      for name in Self.names { try await run("mkdir -p r/nix/store/\(name)", in: scratch) }
      let runner = NotingRunner()
      _ = try await image(tree(in: scratch, root: "r"), kind, in: scratch, runner: runner)
      #expect(!runner.commands.isEmpty)
      for command in runner.commands {
        #expect(!command.description.contains(Self.names[0]), "\(command)")
      }
    }
  }

  /// As other programs read it: the identifier of the plan, and what was in the store.
  @Test(arguments: [FilesystemKind.squashfs, .erofs])
  func theFilesystemIsThatOfThePlan(kind: FilesystemKind) async throws {
    try await withScratchDirectory { scratch in
      try await run("mkdir -p r/nix/store/{\(Self.names.joined(separator: ","))}", in: scratch)
      try await run("echo hello >r/nix/store/\(Self.names[1])/greeting", in: scratch)
      let bytes = try await image(tree(in: scratch, root: "r"), kind, in: scratch, runner: NotingRunner())
      let file = scratch.appending("image")
      try HostFiles.write(bytes, to: file)
      let runner = SubprocessRunner()
      #expect(
        try await runner.run("blkid", "-p", "-o", "value", "-s", "TYPE", file.string).contains(kind.rawValue))
      if kind == .erofs {
        let uuid = try await runner.run("blkid", "-p", "-o", "value", "-s", "UUID", file.string)
        #expect(uuid.contains(GUID(high: 1, low: 2).description))
      }
      let place = scratch.appending("read").string
      try await runner.run(
        kind == .erofs
          ? Command("fsck.erofs", ["--extract=\(place)", file.string])
          : Command("unsquashfs", ["-q", "-n", "-d", place, file.string]))
      #expect(
        try String(contentsOfFile: "\(place)/\(Self.names[1])/greeting", encoding: .utf8) == "hello\n")
      #expect(try FileManager.default.contentsOfDirectory(atPath: place).contains(Self.names[0]))
    }
  }

  @Test func aToolThatFailsIsNamedWithItsWordsAndItsPackage() async throws {
    try await withScratchDirectory { scratch in
      for name in Self.names { try await run("mkdir -p r/nix/store/\(name)", in: scratch) }
      let tree = try await tree(in: scratch, root: "r")
      func fault(_ kind: FilesystemKind, isNotFound: Bool = false) async throws -> Fault {
        let staging = scratch.appending("staging-\(UUID().uuidString)")
        try HostFiles.makeDirectory(staging)
        let store = ReadOnlyStore(
          tree: tree, kind: kind, uuid: GUID(high: 1, low: 2), runner: FailingRunner(isNotFound: isNotFound))
        return try await #require(throws: Fault.self) {
          try await store.write(to: scratch.appending("image"), scratch: staging)
        }
      }
      let failed = try await fault(.erofs)
      #expect(failed.kind == .failed)
      #expect(
        failed.message
          == "could not make the erofs filesystem of the store: 'mkfs.erofs' exited with status 3")
      #expect(failed.evidence.last == "| it broke")
      #expect(failed.remedy?.contains("nix-store --verify") == true)
      let missing = try await fault(.squashfs, isNotFound: true)
      #expect(missing.kind == .hostNotAble && missing.remedy == "Install squashfs-tools")
      // A kind that is made in the guest has no such tool.
      let other = try await fault(.xfs)
      #expect(other.message == "no tool makes a xfs filesystem from a folder")
    }
  }
}

/// Has no command that ends well.
private struct FailingRunner: CommandRunner {
  let isNotFound: Bool

  func run(_ command: Command, log: @escaping @Sendable (String) -> Void) async throws -> String {
    throw CommandFailure(
      command: command, reason: isNotFound ? .notStarted("it is not there") : .exited(3), tail: ["it broke"],
      isNotFound: isNotFound)
  }
}

import Basics
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

/// What becomes of the host's files in an image: one rule for every root filesystem, as all are made from these nodes.
@Suite struct HostContentsTests {
  /// Runs a script of bash in the scratch folder.
  private func make(_ script: String, in scratch: FilePath) async throws {
    try await SubprocessRunner().run("bash", "-c", "cd \"$1\"; \(script)", "bash", scratch.string)
  }

  private func contents(
    _ entries: [ContentEntry], store: StoreLocation = StoreLocation()
  ) async throws -> HostContents {
    try await HostContents(entries.enumerated().map { PlannedContent($1, index: $0) }, store: store)
  }

  /// Every node, by its path as text.
  private func nodes(
    _ entries: [ContentEntry], store: StoreLocation = StoreLocation(), on mounts: [MountedPlace] = []
  ) async throws -> [String: Node] {
    let sources = try await contents(entries, store: store).sources(time: Timestamp(seconds: 7))
    var merged: any NodeSource = FittingNodes(MergedNodes(sources), on: mounts)
    var found: [String: Node] = [:]
    while let node = try merged.next() { found[node.path.description] = node }
    return found
  }

  @Test func whatGoesToAnotherFilesystemIsMeasured() async throws {
    try await withScratchDirectory { scratch in
      try await make(
        "head -c 5000 /dev/zero >file; mkdir -p d/sub; head -c 100 /dev/zero >d/sub/f", in: scratch)
      let entries = [
        ContentEntry(source: "\(scratch)/file", target: "/boot/file"),
        ContentEntry(source: "\(scratch)/d", target: "/boot/d"),
        ContentEntry(source: "\(scratch)/file", target: "/etc/file"),
      ]
      let found = try await contents(entries).sizes(on: [
        MountedPlace("/boot", .vfat), MountedPlace("/srv", .ext4),
      ])
      var expected = ContentSizes()
      for size in [5000, 100] as [UInt64] { expected.addFile(size) }
      expected.addDirectory()
      expected.addDirectory()
      #expect(found == ["/boot": expected])
      let other = try await contents(entries).sizes(on: [MountedPlace("/srv", .ext4)])
      #expect(other.isEmpty)
      await #expect(throws: CancellationError.self) {
        let contents = try await contents(entries)
        try await whenCancelled { _ = try contents.sizes(on: [MountedPlace("/boot", .vfat)]) }
      }
    }
  }

  @Test func linksOfTheHostAreKeptWithinAnEntryAndNowhereElse() async throws {
    try await withScratchDirectory { scratch in
      try await make("echo x >a; ln a b; mkdir d; ln a d/c; ln a d/e", in: scratch)
      let found = try await nodes([
        ContentEntry(
          source: "\(scratch)/a", target: "/a", mode: ContentMode("0600"), user: "1000", group: "100"),
        ContentEntry(source: "\(scratch)/b", target: "/b"),
        ContentEntry(source: "\(scratch)/d", target: "/d"),
      ])
      let groups = try ["/a", "/b", "/d/c"].map { try #require(found[$0]?.linkGroup) }
      #expect(Set(groups).count == 3)
      #expect(found["/d/c"]?.linkGroup == found["/d/e"]?.linkGroup)
      #expect(found["/a"]?.attributes.mode == 0o600 && found["/a"]?.attributes.owner == 1000)
      #expect(found["/b"]?.attributes.mode == 0o644 && found["/b"]?.attributes.owner == 0)
    }
  }

  @Test func aSourceInTheStoreHasNothingOfTheHost() async throws {
    try await withScratchDirectory { scratch in
      let store = StoreLocation(root: scratch.appending("root"))
      try await make(
        "mkdir -p root/nix/store/x/bin; cd root/nix/store/x; echo a >one; ln one two; echo b >bin/p; chmod 755 bin/p",
        in: scratch)
      let entry = ContentEntry(source: "\(store.directory)/x", target: "/x")
      let found = try await nodes([entry], store: store)
      #expect(found.values.allSatisfy { $0.linkGroup == nil })
      #expect(found["/x/one"]?.attributes.mode == 0o444)
      #expect(found["/x/bin/p"]?.attributes.mode == 0o555)
      #expect(found["/x/one"]?.attributes.modified == Timestamp(seconds: 1))
    }
  }

  @Test func aSourceThatIsALinkIsWhatItLeadsTo() async throws {
    try await withScratchDirectory { scratch in
      try await make(
        "echo x >file; mkdir folder; echo y >folder/in; ln -s in folder/link; ln -s file l1; ln -s l1 l2; ln -s folder l3",
        in: scratch)
      let found = try await nodes([
        ContentEntry(source: "\(scratch)/l2", target: "/file"),
        ContentEntry(source: "\(scratch)/l3", target: "/folder"),
        ContentEntry(source: "\(scratch)/l*", target: "/all"),
      ])
      for path in ["/file", "/all/l1", "/all/l2"] {
        guard case .file? = found[path]?.kind else {
          Issue.record("\(path) is no file")
          continue
        }
      }
      #expect(found["/folder"]?.kind == .directory && found["/all/l3"]?.kind == .directory)
      #expect(found["/folder/link"]?.kind == .symbolicLink(target: Array("in".utf8)))
    }
  }

  @Test func namesAreBytes() async throws {
    try await withScratchDirectory { scratch in
      try await make("mkdir d; echo x >d/$'a\\xff\\xfe'; echo y >d/$'b\\n'", in: scratch)
      let found = try await nodes([
        ContentEntry(source: "\(scratch)/d/*", target: "/glob"),
        ContentEntry(source: "\(scratch)/d", target: "/folder"),
      ])
      for folder in ["/glob", "/folder"] {
        #expect(found["\(folder)/a\\xff\\xfe"]?.path.bytes.suffix(3) == [0x61, 0xff, 0xfe])
        #expect(found["\(folder)/b\\x0a"] != nil)
      }
      #expect(
        try await contents([ContentEntry(source: "\(scratch)/d", target: "/f")])
          .bring(try #require(TreePath(bytes: Array("f/a".utf8) + [0xff, 0xfe]))))
    }
  }

  @Test(arguments: [
    ("file", "/opt/d/", "/opt/d/file"), ("file", "/opt/d", "/opt/d"), ("file", "/", "/file"),
    ("folder", "/opt/d/", "/opt/d/in"), ("folder/", "/opt/d/", "/opt/d/in"),
    ("folder/", "/opt/d", "/opt/d/in"),
    ("fo*", "/opt/d/", "/opt/d/folder/in"), ("fi*", "/opt/d", "/opt/d/file"),
    ("link", "/opt/d/", "/opt/d/link"),
  ])
  func targetsAreThoseOfMakeDiskImage(source: String, target: String, path: String) async throws {
    try await withScratchDirectory { scratch in
      try await make("echo x >file; mkdir folder; echo y >folder/in; ln -s file link", in: scratch)
      let found = try await nodes([ContentEntry(source: "\(scratch)/\(source)", target: target)])
      #expect(found.filter { $0.value.kind != .directory }.keys.sorted() == [path])
    }
  }

  @Test func aFolderIsNotTheWholeRoot() async throws {
    try await withScratchDirectory { scratch in
      let error = await #expect(throws: SpecError.self) {
        try await nodes([ContentEntry(source: scratch.string, target: "/")])
      }
      #expect(error?.message == "the target '/' is the whole root")
    }
  }

  @Test func severalFilesGoIntoOneFolder() async throws {
    try await withScratchDirectory { scratch in
      try await make("echo x >a; echo y >b", in: scratch)
      let entries = ["a", "b"].map { ContentEntry(source: "\(scratch)/\($0)", target: "/opt/d/") }
      #expect(try await nodes(entries)["/opt/d/b"] != nil)
      let error = await #expect(throws: SpecError.self) { try await nodes(entries + [entries[0]]) }
      #expect(error?.message == "two sources are '/opt/d/a'")
    }
  }

  @Test(arguments: [("nix", "/"), ("store", "/nix/"), ("var", "/nix/"), ("proc", "/")])
  func noNameLeadsIntoTheStore(name: String, target: String) async throws {
    try await withScratchDirectory { scratch in
      try await make("mkdir d; echo x >d/\(name)", in: scratch)
      for source in ["d/*", "d/\(name)"] {
        await #expect(throws: SpecError.self) {
          try await nodes([ContentEntry(source: "\(scratch)/\(source)", target: target)])
        }
      }
    }
  }

  @Test func modesHaveTheirSetUserIDBitsAndOwnersTheirNumbers() async throws {
    try await withScratchDirectory { scratch in
      try await make("echo x >s; mkdir -p d/e; echo y >d/g; chmod 2755 d/e; chmod 6711 d/g", in: scratch)
      let found = try await nodes([
        ContentEntry(
          source: "\(scratch)/s", target: "/s", mode: ContentMode("4755"), user: "1000", group: "100"),
        ContentEntry(source: "\(scratch)/d", target: "/d", user: "alice", group: "100"),
      ])
      #expect(found["/s"]?.attributes.mode == 0o4755)
      #expect(found["/s"]?.attributes.owner == 1000 && found["/s"]?.attributes.group == 100)
      #expect(found["/d/e"]?.attributes.mode == 0o2755 && found["/d/g"]?.attributes.mode == 0o6711)
      let marker = ContentOwner.firstMarker + 1
      #expect(found["/d/g"]?.attributes.owner == marker && found["/d"]?.attributes.group == marker)
    }
  }

  @Test func modesMayBeChangesAsRsyncHasThem() async throws {
    try await withScratchDirectory { scratch in
      try await make(
        "mkdir -p d/e; echo x >d/f; echo y >d/p; chmod 700 d/e d/p; chmod 600 d/f; ln -s f d/l", in: scratch)
      let found = try await nodes([
        ContentEntry(source: "\(scratch)/d", target: "/x", mode: ContentMode("u=rwX,go=rX")),
        ContentEntry(source: "\(scratch)/d", target: "/y", mode: ContentMode("D711,F640")),
      ])
      #expect(["/x/e", "/x/f", "/x/p"].map { found[$0]?.attributes.mode } == [0o755, 0o644, 0o755])
      #expect(["/y/e", "/y/f", "/y/p"].map { found[$0]?.attributes.mode } == [0o711, 0o640, 0o640])
      #expect(found["/x/l"]?.attributes.mode == found["/y/l"]?.attributes.mode)
    }
  }

  @Test func machineStateOfContentsIsKnown() async throws {
    try await withScratchDirectory { scratch in
      try await make("mkdir -p e/x; echo 1 >e/machine-id; echo 2 >seed", in: scratch)
      let found = try await contents([
        ContentEntry(source: "\(scratch)/e", target: "/etc"),
        ContentEntry(source: "\(scratch)/seed", target: "/boot/loader/random-seed"),
      ]).machineState(on: [MountedPlace("/boot", .vfat)])
      #expect(found == ["/etc/machine-id", "/boot/loader/random-seed"])
    }
  }
}

/// Sources that are no files or folders, or cannot be read: read or refused before a machine starts.
@Suite struct SpecialSourceTests {
  private func nodes(_ sources: [String]) async throws -> [Node] {
    let entries = sources.map { ContentEntry(source: $0, target: "/f/") }
    let contents = try await HostContents(entries.map { PlannedContent($0) })
    var merged = MergedNodes(contents.sources(time: Timestamp(seconds: 7)))
    var found: [Node] = []
    while let node = try merged.next() { found.append(node) }
    return found
  }

  private func make(_ script: String, in scratch: FilePath) async throws {
    try await SubprocessRunner().run("bash", "-c", "cd \"$1\"; \(script)", "bash", scratch.string)
  }

  @Test(.timeLimit(.minutes(1))) func aFIFOIsRead() async throws {
    try await withScratchDirectory { scratch in
      try await make("mkfifo -m 640 p; ln -s p link", in: scratch)
      // The writer comes later, and writes more than a pipe holds.
      async let written: Void = make("sleep 0.3; head -c 200000 /dev/zero >p", in: scratch)
      let found = try await nodes(["\(scratch)/link"])
      try await written
      let node = try #require(found.first { $0.path.description == "/f/link" })
      #expect(node.kind == .file(.bytes(Array(repeating: 0, count: 200_000))))
      #expect(node.attributes.mode == 0o640)
      #expect(node.attributes.modified == Timestamp(seconds: 7))
    }
  }

  @Test(.timeLimit(.minutes(1))) func waitingForAWriterEndsWhenItIsCancelled() async throws {
    try await withScratchDirectory { scratch in
      try await make("mkfifo p", in: scratch)
      let task = Task { try await nodes(["\(scratch)/p"]) }
      try await Task.sleep(for: .milliseconds(200))
      task.cancel()
      await #expect(throws: CancellationError.self) { try await task.value }
    }
  }

  /// As a shell gives a long here-document.
  @Test func anOpenFileThatWasRemovedIsRead() async throws {
    try await withScratchDirectory { scratch in
      let path = scratch.appending("gone").string
      try Data("text".utf8).write(to: URL(fileURLWithPath: path))
      let file = open(path, O_RDONLY)
      defer { close(file) }
      unlink(path)
      let found = try await nodes(["/dev/fd/\(file)"])
      #expect(found.contains { $0.kind == .file(.bytes(Array("text".utf8))) })
    }
  }

  private static let makeSocket = "python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"s\")'"

  @Test(arguments: [
    ("s", "is a socket"), ("/dev/null", "is a device"), ("no", "there is no"), ("dangling", "leads nowhere"),
    ("loop", "Too many levels"), ("file/x", "there is no"),
  ])
  func whatCannotBeASourceIsNamed(source: String, reason: String) async throws {
    try await withScratchDirectory { scratch in
      try await make("\(Self.makeSocket); ln -s gone dangling; ln -s loop loop; echo x >file", in: scratch)
      let path = source.hasPrefix("/") ? source : "\(scratch)/\(source)"
      let error = await #expect(throws: SpecError.self) { try await nodes([path]) }
      #expect(
        error?.message.contains(path) == true && error?.message.contains(reason) == true, "\(error as Any)")
    }
  }

  @Test(arguments: [("mkfifo d/p", "is a FIFO"), ("cd d; \(makeSocket)", "is a socket")])
  func specialFilesInAFolderAreRefusedByName(script: String, reason: String) async throws {
    try await withScratchDirectory { scratch in
      try await make("mkdir d; \(script)", in: scratch)
      let error = await #expect(throws: Fault.self) { try await nodes(["\(scratch)/d"]) }
      #expect(error?.description.contains("\(scratch)/d/") == true)
      #expect(error?.description.contains(reason) == true)
    }
  }
}

/// What filesystems cannot hold, known before a machine starts.
@Suite struct FilesystemLimitTests {
  private func check(
    _ kind: Node.Kind, at path: [UInt8], on places: [MountedPlace], owner: UInt32 = 0, mode: UInt16 = 0o644
  ) throws -> Node? {
    let node = Node(
      path: try #require(TreePath(bytes: path)), kind: kind,
      attributes: Attributes(mode: mode, owner: owner, time: Timestamp(seconds: 1)))
    var fitting = FittingNodes(ListedNodes([node]), on: places)
    return try fitting.next()
  }

  private let boot = [MountedPlace("/", .ext4), MountedPlace("/boot", .vfat)]

  @Test func mkfsErofsTakesNamesOf254Bytes() throws {
    let erofs = [MountedPlace("/", .erofs)]
    let error = #expect(throws: Fault.self) {
      try check(.file(.bytes([])), at: Array(repeating: 97, count: 255), on: erofs)
    }
    #expect(error?.description.contains("255 bytes, and mkfs.erofs takes names of up to 254") == true)
    _ = try check(.file(.bytes([])), at: Array(repeating: 97, count: 254), on: erofs)
    _ = try check(.file(.bytes([])), at: Array(repeating: 97, count: 255), on: [MountedPlace("/", .squashfs)])
  }

  @Test func linksOnXFSHave1023Bytes() throws {
    let target = [UInt8](repeating: 97, count: 1024)
    #expect(throws: Fault.self) {
      try check(.symbolicLink(target: target), at: [97], on: [MountedPlace("/", .xfs)])
    }
    _ = try check(.symbolicLink(target: Array(target.dropLast())), at: [97], on: [MountedPlace("/", .xfs)])
    _ = try check(.symbolicLink(target: target), at: [97], on: boot)
  }

  @Test(arguments: [
    "a:b", "a?", "dot.", "space ", "a\\b", "a\u{1}", "\u{1F600}" + String(repeating: "x", count: 254),
  ])
  func namesThatFATCannotHold(name: String) throws {
    for (path, fails) in [("boot/\(name)", true), ("boot2/x", false)] where path.utf8.count < 255 || !fails {
      let bytes = Array(path.utf8)
      if fails {
        let error = #expect(throws: Fault.self) { try check(.file(.bytes([])), at: bytes, on: boot) }
        #expect(error?.description.contains("FAT has no such name") == true)
      } else {
        _ = try check(.file(.bytes([])), at: bytes, on: boot)
      }
    }
  }

  @Test func ownersAndLinksThatFATCannotHold() throws {
    let path = Array("boot/EFI/x".utf8)
    #expect(throws: Fault.self) { try check(.symbolicLink(target: [97]), at: path, on: boot) }
    #expect(throws: Fault.self) { try check(.file(.bytes([])), at: path, on: boot, owner: 1000) }
    #expect(throws: Fault.self) {
      try check(.file(.bytes([])), at: Array("boot/".utf8) + [0xff], on: boot)
    }
    let huge = HostFile(path: "/x", size: 4 << 30, modified: Timestamp(seconds: 1), mayHaveHoles: true)
    #expect(throws: Fault.self) { try check(.file(.host(huge)), at: path, on: boot) }
    #expect(try check(.file(.bytes([])), at: path, on: boot, mode: 0o4755)?.attributes.mode == 0o755)
    // The deepest place counts.
    let deep = boot + [MountedPlace("/boot/data", .ext4)]
    _ = try check(.symbolicLink(target: [97]), at: Array("boot/data/l".utf8), on: deep)
  }

  @Test func namesThatFATTakesForOne() throws {
    let nodes = try ["boot", "boot/A", "boot/a"].map { path in
      Node(
        path: try #require(TreePath(path)), kind: path == "boot" ? .directory : .file(.bytes([])),
        attributes: Attributes(mode: 0o644, time: Timestamp(seconds: 1)))
    }
    var fitting = FittingNodes(ListedNodes(nodes), on: boot)
    let error = #expect(throws: Fault.self) { while try fitting.next() != nil {} }
    #expect(error?.description.contains("for one name") == true)
  }
}

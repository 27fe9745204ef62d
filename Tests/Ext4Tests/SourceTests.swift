import Basics
import Command
import Foundation
import ImageModel
import SystemPackage
import TestSupport
import Testing

@testable import Ext4

@Suite("Sources")
struct SourceTests {
  @Test("Age, order and sparseness of the sources do not show")
  func sameBytes() async throws {
    try await withScratchDirectory { folder in
      let shell = SubprocessRunner()
      let make = """
        mkdir -p a/z a/b/c && head -c 300000 /dev/urandom > a/b/data && ln a/b/data a/z/link && ln -s b/data a/symbolic
        truncate -s 3M a/sparse && printf end >> a/sparse && head -c 1000000 /dev/zero > a/zeros && touch a/b/c/empty
        head -c 131072 /dev/zero > a/mixed && echo middle >> a/mixed && head -c 200000 /dev/zero >> a/mixed
        for i in $(seq 300); do echo $i > a/b/c/$i; done; chmod 555 a/b/c/7
        mkdir b && cd a && find . | sort -r | tar cf - --no-recursion -T - | tar xf - -C ../b && cd ..
        rm b/z/link && ln b/b/data b/z/link && rm b/sparse b/zeros
        cp --sparse=never a/sparse b/sparse && cp --sparse=always a/zeros b/zeros && find b -exec touch -h {} +
        """
      try await shell.run("sh", "-c", "cd \(folder) && " + make)
      var digests: [String] = []
      for name in ["a", "b"] {
        let path = try #require(TreePath("nix/store/x"))
        let tree = FileTree([.init(host: folder.appending(name), path: path)], rules: .storeObjects)
        let folders = ListedNodes([try .directory("nix"), try .directory("nix/store")])
        let image = try await PouredImage(
          MergedNodes([tree, folders]), .test(), in: folder, name: "\(name).img")
        try await image.check()
        digests.append(try await PouredImage.digest(image.file))
        let sparse = try await image.debugfs("stat /nix/store/x/sparse")
        #expect(sparse.contains("Blockcount: 8\n"))
        let mixed = try await image.debugfs("stat /nix/store/x/mixed")
        #expect(
          mixed.contains("Links: 1   Blockcount: 136\n"), "one chunk and the end are left")
        // Names of one inode on the host are files of their own: an archive has no hard links.
        #expect(try await image.debugfs("stat /nix/store/x/z/link").contains("Links: 1"))
        try await shell.run("debugfs", "-R", "dump /nix/store/x/mixed \(folder)/mixed", image.file.string)
        try await shell.run("cmp", "\(folder)/mixed", "\(folder)/a/mixed")
      }
      #expect(digests[0] == digests[1])
    }
  }

  @Test("Everything of a host folder is taken over")
  func asFound() async throws {
    try await withScratchDirectory { folder in
      let make = """
        mkdir t && mkfifo t/p && ln -s p t/l && echo x > t/f && chown 1000:100000 t/f && chmod 4751 t/f
        setfattr -n user.a -v hello t/f && touch -h -d @1234567890.25 t/l
        """
      try await SubprocessRunner().run("sh", "-ec", "cd \(folder) && " + make)
      let nodes = try await PouredImage.list(
        FileTree([.init(host: folder.appending("t"), path: .root)], rules: .asFound))
      #expect(nodes.map(\.path.description) == ["/", "/f", "/l", "/p"])
      #expect(nodes[1].attributes.mode == 0o4751)
      #expect(nodes[1].attributes.owner == 1000)
      #expect(nodes[1].attributes.group == 100_000)
      #expect(nodes[1].attributes.extended == [ExtendedAttribute(name: "user.a", value: Array("hello".utf8))])
      #expect(nodes[2].kind == .symbolicLink(target: Array("p".utf8)))
      #expect(
        nodes[2].attributes.modified == Timestamp(seconds: 1_234_567_890, nanoseconds: 250_000_000))
      #expect(nodes[3].kind == .fifo)
    }
  }

  @Test("Merged trees are in order, and share their directories")
  func merging() async throws {
    func names(_ nodes: [Node]) -> [String] { nodes.map(\.path.description) }
    let first = ListedNodes([try .directory("a"), try .file("a/b"), try .file("a-b")])
    let second = ListedNodes([try .make("a", .directory, mode: 0o700), try .file("a/c"), try .file("z")])
    let merged = try await PouredImage.list(MergedNodes([first, second]))
    #expect(names(merged) == ["/a", "/a/b", "/a/c", "/a-b", "/z"])
    #expect(merged.first?.attributes.mode == 0o755)
  }

  @Test("A source that changes between scan and pour is named")
  func changes() async throws {
    try await withScratchDirectory { folder in
      func pour(_ change: String) async throws {
        let file = folder.appending("f")
        try await SubprocessRunner().run("sh", "-ec", "rm -rf \(file); head -c 100000 /dev/zero > \(file)")
        let nodes = try await PouredImage.list(FileTree([.init(host: file, path: #require(TreePath("f")))]))
        try await SubprocessRunner().run("sh", "-ec", "cd \(folder); \(change)")
        _ = try await PouredImage(ListedNodes(nodes), .test(), in: folder)
      }
      func isChange(_ error: any Error) -> Bool {
        (error as? Fault)?.cause.hasPrefix("'\(folder)/f' changed while the image was made: ") == true
      }
      for change in ["truncate -s 5000 f", "echo >> f", "touch -d @5 f", "rm f; ln -s x f", "rm f; mkfifo f"]
      {
        await #expect("\(change)", performing: { try await pour(change) }, throws: isChange)
      }
      await #expect(throws: Fault.source(folder.appending("f"), doing: "open", .noSuchFileOrDirectory)) {
        try await pour("rm f")
      }
      await #expect(throws: Fault.source(folder.appending("g"), doing: "examine", .noSuchFileOrDirectory)) {
        _ = try await PouredImage.list(FileTree([.init(host: folder.appending("g"), path: .root)]))
      }
    }
  }
}

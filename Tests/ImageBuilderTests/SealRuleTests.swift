import AgentProtocol
import Basics
import Ext4
import Foundation
import SystemPackage
import TestSupport
import Testing

@testable import ImageBuilder

/// What becomes of files that a system writes by chance.
@Suite struct SealRuleTests {
  /// Files of one run, and what each is when it is sealed.
  struct Case: CustomTestStringConvertible, Sendable {
    let name: String
    let rules: [SealRule]
    var handed: [String: String]
    /// Of the files that are sealed otherwise.
    var sealed: [String: String]

    var testDescription: String { name }

    init(_ name: String, _ rules: [SealRule], _ handed: [String: String], sealed: [String: String] = [:]) {
      (self.name, self.rules, self.handed, self.sealed) = (name, rules, handed, sealed)
    }

    static let accounts = [
      Case(
        "accounts by their numbers", [.accounts],
        [
          "/etc/passwd": "u:x:1000:100::/:/s\nroot:x:0:0::/root:/s\nb:x:7:7::/:/s\na:x:7:7::/:/s\n",
          "/etc/group": "users:x:100:u\nroot:x:0:\n",
          "/etc/shadow": "u:!:1::::::\ngone:!:1::::::\na:!:1::::::\nroot:!:1::::::\n",
          "/etc/gshadow": "users:!::\nroot:!::\n",
          "/etc/subuid": "u:165536:65536\na:100000:65536\n5:1:2\n",
          "/etc/subgid": "u:9:1\nu:8:1\nroot:7:1\n",
        ],
        sealed: [
          "/etc/passwd": "root:x:0:0::/root:/s\na:x:7:7::/:/s\nb:x:7:7::/:/s\nu:x:1000:100::/:/s\n",
          "/etc/group": "root:x:0:\nusers:x:100:u\n",
          "/etc/shadow": "root:!:1::::::\na:!:1::::::\nu:!:1::::::\ngone:!:1::::::\n",
          "/etc/gshadow": "root:!::\nusers:!::\n",
          "/etc/subuid": "5:1:2\na:100000:65536\nu:165536:65536\n",
          "/etc/subgid": "root:7:1\nu:9:1\nu:8:1\n",
        ]),
      Case(
        "without users, by name", [.accounts], ["/etc/shadow": "b:!:1::::::\na:!:1::::::"],
        sealed: ["/etc/shadow": "a:!:1::::::\nb:!:1::::::"]),
      Case(
        "what is in order already", [.accounts],
        ["/etc/passwd": "root:x:0:0::/root:/s\n", "/etc/shadow": "root:!:1::::::\n"]),
    ]

    /// Nothing of them is touched.
    static let unknown =
      [
        "b:!:1::::::\n+::::::::\na:!:1::::::\n", "b:!:1::::::\n\na:!:1::::::\n", "b:!:1::::::\na\n",
        "b\0\u{7f}", "",
        "\n", "::::::::\n", "b:!:1::::::\n#a:!:1::::::\n",
        String(repeating: "b:!:1::::::\na:!:1::::::\n", count: 200_000),
      ].map { Case("an unknown form of shadow", [.accounts], ["/etc/shadow": $0]) } + [
        Case("an id that is none", [.accounts], ["/etc/subuid": "b:99999999999:1\na:1:1\n"]),
        Case("an id with a sign", [.accounts], ["/etc/passwd": "b:x:+1:1:::\na:x:0:0:::\n"]),
      ]

    static let maps =
      [
        Case(
          "numbers of NixOS", SealRule.numberMaps,
          [
            "/var/lib/nixos/auto-subuid-map": #"{"b":165536,"a":100000}"#,
            "/var/lib/nixos/uid-map": #"{"a":1}"#,
          ],
          sealed: ["/var/lib/nixos/auto-subuid-map": #"{"a":100000,"b":165536}"#]),
        Case(
          "names of NixOS", SealRule.nameLists, ["/var/lib/nixos/declarative-users": "b a"],
          sealed: ["/var/lib/nixos/declarative-users": "a b"]),
        Case("names with a line break", SealRule.nameLists, ["/var/lib/nixos/declarative-users": "b a\nc"]),
      ]
      + ["[1]", "{", #"{"a":-1}"#, #"{"a":{"b":1}}"#, String(repeating: "[", count: 100_000), "\u{0}"].map {
        Case("an unknown map", SealRule.numberMaps, ["/var/lib/nixos/gid-map": $0])
      }
  }

  @Test(arguments: Case.accounts + Case.unknown + Case.maps)
  func filesAreCanonicalOrLeft(_ test: Case) throws {
    try withFiles(test.handed.mapValues { Array($0.utf8) }) { files in
      var sealed: [String: String] = [:]
      for edit in try test.rules.flatMap({ try $0.edits(files) }) {
        guard case .content(let bytes) = edit.kind else { continue }
        let text = String(decoding: bytes, as: UTF8.self)
        if text != test.handed[edit.path] { sealed[edit.path] = text }
      }
      #expect(sealed == test.sealed)
    }
  }

  /// Whatever order a run has written them in.
  @Test func allOrdersAreSealedAlike() throws {
    let users = (0..<40).map { "u\($0):x:\($0 % 20):1:::\n" }
    let shadow = (0..<40).map { "u\($0):!:1::::::\n" }
    let sealed = try (0..<5).map { _ in
      try withFiles([
        "/etc/passwd": Array(users.shuffled().joined().utf8),
        "/etc/shadow": Array(shadow.shuffled().joined().utf8),
      ]) { try Set(SealRule.accounts.edits($0)) }
    }
    #expect(Set(sealed).count == 1)
  }

  @Test func aDatabaseThatNoRuleCanHelpIsTold() throws {
    let database = "/nix/var/nix/db/db.sqlite"
    for schema in ["10", "11"] {
      let edits = try withFiles([
        database: Array(repeating: 0, count: 100), "\(database)-shm": [1],
        "/nix/var/nix/db/schema": Array(schema.utf8),
      ]) { try SealRule.nixDatabase.edits($0) }
      guard case .unruled(let reason)? = edits.first?.kind, edits.count == 1 else {
        Issue.record("\(edits)")
        continue
      }
      #expect(reason.contains(schema == "10" ? "damaged" : "another version"))
    }
    // Nobody has opened it.
    #expect(try withFiles([:]) { try SealRule.nixDatabase.edits($0) } == [])
  }

  /// The trees of an archive, with `/etc` and `/var` on two filesystems.
  @Test func rulesHoldOnWhateverFilesystemAFileIs() throws {
    func file(_ path: String, _ text: String) -> [UInt8] {
      ArchiveDraft.file(
        path, size: UInt64(text.utf8.count), [(0, UInt64(text.utf8.count))], content: Array(text.utf8))
    }
    let draft = ArchiveDraft([
      ArchiveDraft.tree(0), ArchiveDraft.directory(""), ArchiveDraft.directory("etc"),
      file("etc/shadow", "b:!:1::::::\na:!:1::::::\n"), ArchiveDraft.directory("var"),
      ArchiveDraft.directory("var/lib"),
      ArchiveDraft.directory("var/lib/nixos"), file("var/lib/nixos/uid-map", #"{"b":1,"a":2}"#),
      ArchiveDraft.tree(1), ArchiveDraft.directory(""), ArchiveDraft.directory("lib"),
      ArchiveDraft.directory("lib/nixos"),
      file("lib/nixos/uid-map", #"{"d":1,"c":2}"#), ArchiveDraft.end,
    ])
    let disk = FilePath(FileManager.default.temporaryDirectory.path).appending(UUID().uuidString)
    defer { try? FileManager.default.removeItem(atPath: disk.string) }
    try draft.write(to: disk)
    let archive = try HandoverArchive(disk, trees: 2, regions: [], keeping: nil, latest: ArchiveDraft.latest)
    let trees = try SealedTrees(archive, at: ["/", "/var"])
    var contents: [String] = []
    for tree in 0..<2 {
      var nodes = try trees.nodes(ofTree: tree)
      while let node = try nodes.next() {
        switch node.kind {
        case .file(.bytes(let bytes)): contents.append(String(decoding: bytes, as: UTF8.self))
        case .file(.parts): contents.append("\(node.path)")
        default: break
        }
      }
    }
    // Hidden by the mount, the root's own is nobody's.
    #expect(contents == ["a:!:1::::::\nb:!:1::::::\n", "/var/lib/nixos/uid-map", #"{"c":2,"d":1}"#])
    #expect(trees.changed.map(\.path) == ["/etc/shadow", "/var/lib/nixos/uid-map"])
  }

  /// Earlier times are somebody's choice; the guest's clock starts at the latest.
  @Test(arguments: [
    (Int64.min, 7), (0, 7), (ArchiveDraft.latest - 1, 7), (ArchiveDraft.latest, 0),
    (ArchiveDraft.latest + 1, 0), (.max, 0),
  ])
  func noTimeIsLaterThanTheImage(seconds: Int64, nanoseconds: Int) throws {
    let disk = FilePath(FileManager.default.temporaryDirectory.path).appending(UUID().uuidString)
    defer { try? FileManager.default.removeItem(atPath: disk.string) }
    let attributes = ArchiveDraft.attributes(seconds: seconds, nanoseconds: 7)
    try ArchiveDraft.tree([ArchiveDraft.node(.fifo, Array("a".utf8), attributes)]).write(to: disk)
    var nodes = try HandoverArchive(disk, trees: 1, regions: [], keeping: nil, latest: ArchiveDraft.latest)
      .nodes(ofTree: 0)
    _ = try nodes.next()
    let found = try #require(try nodes.next()).attributes
    let latest = Timestamp(seconds: ArchiveDraft.latest)
    let expected = Timestamp(seconds: min(seconds, ArchiveDraft.latest), nanoseconds: UInt32(nanoseconds))
    #expect(found.modified == expected)
    #expect(found.accessed == latest && found.changed == latest)
  }

  /// The files as an archive has them, in two pieces each.
  private func withFiles<Result>(_ files: [String: [UInt8]], _ body: (HandedFiles) throws -> Result) throws
    -> Result
  {
    let disk = FilePath(FileManager.default.temporaryDirectory.path).appending(UUID().uuidString)
    defer { try? FileManager.default.removeItem(atPath: disk.string) }
    var content: [UInt8] = []
    var parts: [String: FileParts] = [:]
    for (path, bytes) in files {
      let half = UInt64(bytes.count / 2)
      let pieces = [(UInt64(0), half), (half, UInt64(bytes.count) - half)].filter { $0.1 > 0 }.map {
        FileParts.Piece(position: $0.0, offset: UInt64(content.count) + $0.0, length: $0.1)
      }
      parts[path] = FileParts(path: disk, size: UInt64(bytes.count), pieces: pieces)
      content += bytes
    }
    try Data(content).write(to: URL(filePath: disk.string))
    return try body(HandedFiles(parts))
  }
}

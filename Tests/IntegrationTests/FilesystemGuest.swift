import Command
import Foundation
import SystemPackage
import TestSupport

/// Programs of `Tests/IntegrationTests/Filesystem`, compiled for this machine and for a guest.
struct FilesystemGuest {
  private static let disks = "if=virtio,format=raw,cache=unsafe,file="
  private let folder: FilePath

  /// Compiles everything into a folder, which has to be there.
  init(in folder: FilePath) async throws {
    self.folder = folder
    try await Self.run("make-initramfs", try GuestKernel.version(), folder.string)
  }

  /// Makes the tree of everything in a folder.
  static func makeTree(_ tree: FilePath) async throws {
    try FileManager.default.createDirectory(atPath: tree.string, withIntermediateDirectories: true)
    try await SubprocessRunner().run(
      "python3", TestSystem.repository("Tests/IntegrationTests/Filesystem/tree.py"), tree.string)
  }

  /// Lists all that a tree on this machine is.
  ///
  /// - Parameter moment: leaves out the times of inodes that changed after it, in seconds since 1970.
  func listing(of tree: FilePath, moment: Int? = nil) async throws -> TreeListing {
    // Not by a pipe, for which it may be too much.
    let file = folder.appending("listing.txt")
    let script = "exec \"$1\" \"$2\" $3 > \"$4\""
    try await SubprocessRunner().run(
      "sh", "-c", script, "sh", folder.appending("listing").string, tree.string,
      moment.map(String.init) ?? "", file.string)
    return try TreeListing(file)
  }

  /// Puts the load on a tree on this machine, apart from filling the filesystem.
  func load(_ tree: FilePath) async throws {
    for part in ["first", "second"] {
      try await SubprocessRunner().run(folder.appending("load").string, tree.string, part)
    }
  }

  /// What a guest found in an image.
  struct Findings {
    /// What it showed on its console.
    var console: String
    /// The tree as it was poured.
    var poured: TreeListing
    /// The tree after the load.
    var loaded: TreeListing
    /// What its kernel had to say against the filesystem.
    var complaints: String
  }

  /// Boots a guest that mounts an image, puts the load on it, and lets it grow to the size of the image file.
  func work(on image: FilePath, moment: Int) async throws -> Findings {
    let results = folder.appending("results")
    let console = try await SubprocessRunner().run(
      "sh", "-ec", "truncate -s 64M \"$0\" && exec timeout 240 qemu-system-x86_64 \"$@\"", results.string,
      "-machine", "q35", "-accel", "tcg", "-cpu", "max,-erms,-fsrm", "-m", "768", "-smp", "2", "-display",
      "none",
      "-serial", "stdio", "-monitor", "none", "-no-reboot", "-nic", "none",
      "-kernel", try GuestKernel.path(), "-initrd", folder.appending("initramfs").string,
      "-append", "console=ttyS0 quiet panic=-1 moment=\(moment)",
      "-drive", Self.disks + image.string, "-drive", Self.disks + results.string)
    try await SubprocessRunner().run("tar", "-x", "-f", results.string, "-C", folder.string)
    let complaints = try String(contentsOfFile: folder.appending("complaints").string, encoding: .utf8)
    return Findings(
      console: console, poured: try TreeListing(folder.appending("poured")),
      loaded: try TreeListing(folder.appending("loaded")), complaints: complaints)
  }

  private static func run(_ program: String, _ arguments: String...) async throws {
    let program = TestSystem.repository("Tests/IntegrationTests/Filesystem/" + program)
    try await SubprocessRunner().run(Command(program, arguments))
  }
}

/// What `listing` printed about a tree: an entry a line, which begins with its name.
struct TreeListing {
  let lines: Set<Substring>

  init(_ file: FilePath) throws {
    lines = Set(try String(contentsOfFile: file.string, encoding: .utf8).split(separator: "\n"))
  }

  /// Entries that are here and not in another, and the other way round; the first few.
  func differences(from other: TreeListing) -> [String] {
    let here = lines.subtracting(other.lines).map { "\($0.prefix(1000)) (found)" }
    let there = other.lines.subtracting(lines).map { "\($0.prefix(1000)) (expected)" }
    return Array((here + there).sorted().prefix(20))
  }

  /// The names of the fields in which an entry differs from one of the same name, apart from the time of change.
  func fields(of name: String, thatDifferFrom other: TreeListing) -> Set<String> {
    let (here, there) = (fields(of: name), other.fields(of: name))
    let names = Set(here.keys).union(there.keys)
    return names.filter { here[$0] != there[$0] && $0 != "ctime" }
  }

  private func fields(of name: String) -> [String: Substring] {
    let line = lines.first { $0.hasPrefix(name + " ") } ?? "missing="
    return line.split(separator: " ").reduce(into: [:]) { fields, word in
      let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      if parts.count == 2 { fields[String(parts[0])] = parts[1] }
    }
  }
}

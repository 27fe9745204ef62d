internal import ArgumentParser
internal import Command
internal import Ext4
internal import Ext4Geometry
internal import Foundation
internal import ImageModel
internal import SystemPackage

/// What a pour took, as the process that did it says.
struct PourReport: Codable {
  /// Seconds for finding out how large the filesystem must be.
  var measuring: Double
  /// Seconds for making it.
  var writing: Double
  /// The most memory that the process had in use, in KiB.
  var peakMemory: Int
  /// Bytes of the filesystem.
  var size: UInt64
  var inodes: UInt64

  /// Pours in a process of its own: its memory is the pour's alone.
  static func ofChild(_ arguments: [String]) async throws -> PourReport {
    let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    let output = try await SubprocessRunner().run(Command(program, arguments))
    return try JSONDecoder().decode(PourReport.self, from: Data(output.utf8))
  }

  /// Measures and pours, as a build does that has to choose the size.
  fileprivate static func ofPour(
    _ nodes: any NodeSource, to image: String, sharesBlocks: Bool = true
  ) async throws -> PourReport {
    let identifier = GUID(high: 0x1234_5678_9abc_4def, low: 0x8123_4567_89ab_cdef)
    var options = Ext4Options(
      size: .mebibytes(0), uuid: identifier, hashSeed: identifier, label: "nixos", sharesBlocks: sharesBlocks)
    let measuring = try await seconds {
      let need = try await Ext4.measure(nodes, hashSeed: options.hashSeed)
      guard let filesystem = need.filesystem(room: .mebibytes(128)) else {
        throw ValidationError("no filesystem is large enough for \(need.blocks) blocks")
      }
      (options.size, options.inodes) = filesystem
    }
    let writing = try await seconds { _ = try await Ext4.pour(nodes, to: FilePath(image), options) }
    return PourReport(
      measuring: measuring, writing: writing, peakMemory: try peakMemory(), size: options.size.bytes,
      inodes: options.inodes ?? 0)
  }

  /// The kernel's own record (`VmHWM`, proc(5)). getrusage(2) would count the parent before its exec, too.
  private static func peakMemory() throws -> Int {
    let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
    return line.flatMap { Int($0.filter(\.isNumber)) } ?? 0
  }

  fileprivate func printJSON() throws {
    print(String(decoding: try JSONEncoder().encode(self), as: UTF8.self))
  }
}

/// Pours files and folders, each to the place that it has on the host, and prints a `PourReport`.
struct PourPathsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "pour-paths", shouldDisplay: false)

  @Flag(help: "Copy what could be shared.") var copies = false
  @Argument var image: String
  @Argument var paths: [String]

  func run() async throws {
    var folders: Set<TreePath> = []
    var roots: [FileTree.Root] = []
    for path in paths {
      let host = FilePath(path)
      roots.append(.init(host: host, path: try treePath(host)))
      var folder = host
      while folder.removeLastComponent() { folders.insert(try treePath(folder)) }
    }
    let attributes = Attributes(mode: 0o755, time: Timestamp(seconds: 1))
    let above = ListedNodes(folders.map { Node(path: $0, kind: .directory, attributes: attributes) })
    let nodes = MergedNodes([above, FileTree(roots, rules: .storeObjects)])
    try await PourReport.ofPour(nodes, to: image, sharesBlocks: !copies).printJSON()
  }

  private func treePath(_ path: FilePath) throws -> TreePath {
    guard let path = TreePath(path.string) else { throw ValidationError("no plain path: \(path)") }
    return path
  }
}

/// Pours folders of empty files, and prints a `PourReport`.
struct PourFilesCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "pour-files", shouldDisplay: false)

  @Argument var image: String
  @Argument var folders: Int
  @Argument var perFolder: Int

  func run() async throws {
    try await PourReport.ofPour(EmptyFiles(folders: folders, perFolder: perFolder), to: image).printJSON()
  }
}

/// Empty files in folders, by their numbers: none is in memory.
private struct EmptyFiles: NodeSource {
  private let folders: Int
  private let perFolder: Int
  private var index = -1

  init(folders: Int, perFolder: Int) {
    self.folders = folders
    self.perFolder = perFolder
  }

  mutating func next() -> Node? {
    defer { index += 1 }
    guard index >= 0 else { return node("", .directory) }
    let (folder, place) = index.quotientAndRemainder(dividingBy: perFolder + 1)
    guard folder < folders else { return nil }
    return place == 0
      ? node(name(folder), .directory) : node("\(name(folder))/\(name(place))", .file(.bytes([])))
  }

  /// Names in the order of their numbers.
  private func name(_ number: Int) -> String { "\(10_000_000 + number)-entry" }

  private func node(_ path: String, _ kind: Node.Kind) -> Node? {
    let mode: UInt16 = kind == .directory ? 0o755 : 0o644
    return TreePath(path).map {
      Node(path: $0, kind: kind, attributes: Attributes(mode: mode, time: Timestamp(seconds: 1)))
    }
  }
}

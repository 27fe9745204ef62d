internal import Basics
internal import CLinux
internal import Ext4
internal import Foundation
internal import SystemPackage

/// A tree as a folder of this machine, for tools that take nothing else: with the types, modes and links that its
/// nodes say. Owners and times are the tool's to set, as an ordinary user cannot.
struct StagedTree: Sendable {
  let folder: FilePath

  /// Makes the folder with all that is in the tree.
  ///
  /// - Throws: `Fault` of the tree, or when something cannot be written; `CancellationError`.
  func write(_ nodes: any NodeSource) throws {
    try HostFiles.makeDirectory(folder, mode: 0o700)
    var nodes = nodes
    var folders: [(path: FilePath, mode: UInt16)] = [(folder, 0o755)]
    while let node = try nodes.next() {
      try Cancellation.check()
      let path = node.path.names.reduce(folder) { $0.appending(bytes: $1) }
      switch node.kind {
      case .directory where node.path == .root: folders[0].mode = node.attributes.mode
      case .directory:
        try Self.call("make the folder", path) { mkdir($0, 0o700) }
        folders.append((path, node.attributes.mode))
      case .file(let content): try Self.write(content, mode: node.attributes.mode, to: path)
      case .symbolicLink(let target):
        try Self.call("make the link", path) { place in
          (target + [0]).withUnsafeBytes { bytes in
            bytes.baseAddress.map { symlink($0.assumingMemoryBound(to: CChar.self), place) } ?? -1
          }
        }
      default: throw Fault(.badInput, "'\(node.path)' is not a file, folder or link")
      }
    }
    // Not before they are full: nothing can be made in a folder without write permission.
    for (path, mode) in folders.reversed() {
      try Self.call("set the mode of", path) { chmod($0, mode_t(mode)) }
    }
  }

  private static func write(_ content: Node.Content, mode: UInt16, to path: FilePath) throws {
    let output = path.withPlatformString { open($0, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600) }
    guard output >= 0 else { throw fault("make", path) }
    defer { close(output) }
    switch content {
    case .host(let file): try file.copy(to: output) { fault("write", path, $0) }
    case .bytes(let bytes):
      var rest = bytes[...]
      while !rest.isEmpty {
        let count = rest.withUnsafeBytes { Glibc.write(output, $0.baseAddress, $0.count) }
        guard count > 0 else { throw fault("write", path) }
        rest = rest.dropFirst(count)
      }
    case .parts:
      throw Fault(.failed, "could not write '\(path)': only a disk's filesystem takes a file in pieces")
    }
    guard fchmod(output, mode_t(mode)) == 0 else { throw fault("set the mode of", path) }
  }

  private static func call(
    _ attempt: String, _ path: FilePath, _ body: (UnsafePointer<CChar>) -> CInt
  ) throws {
    guard path.withPlatformString(body) == 0 else { throw fault(attempt, path) }
  }

  private static func fault(
    _ attempt: String, _ path: FilePath, _ error: Errno = Errno(rawValue: errno)
  ) -> Fault {
    Fault(
      .failed, "could not \(attempt) '\(path)': \(error)",
      remedy: error == .noSpace
        ? "Free some space beside the output folder; a copy of the store has to fit" : nil)
  }
}

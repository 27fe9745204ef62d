internal import Basics
internal import Foundation
internal import SystemPackage

/// A folder that `--force` would replace: only one that a build has made, with nothing in it that it has not.
struct ReplaceableFolder {
  private let path: FilePath

  init(_ path: FilePath) {
    self.path = path
  }

  /// - Throws: `Fault` of kind `badInput` for anything else.
  func check() throws {
    guard HostFiles.isFolder(path) else { throw refusal("is not a folder, or is a link to one") }
    guard !HostFiles.isMountPoint(path) else { throw refusal("is a mount point") }
    guard !isAroundTheCurrentFolder() else { throw refusal("is the current folder, or one above it") }
    guard let made = filesOfItsManifest() else {
      throw refusal("has no \(Manifest.fileName) of a build, so it was not made by one")
    }
    let others = Set(OutputFiles.names(in: path)).subtracting(made)
    if let other = others.min() { throw refusal("has '\(other)' in it, which no build has made") }
  }

  private func refusal(_ reason: String) -> Fault {
    Fault(
      .badInput, "--force does not replace \(path): it \(reason)",
      remedy: "Choose another --out, or remove it yourself")
  }

  /// What its manifest lists; nil without one.
  private func filesOfItsManifest() -> Set<String>? {
    let file = path.appending(Manifest.fileName)
    guard HostFiles.isRegularFile(file), let bytes = try? HostFiles.read(file),
      let manifest = try? JSONDecoder().decode(ManifestOfAnyVersion.self, from: Data(bytes))
    else { return nil }
    return Set(manifest.files.map(\.path))
  }

  private func isAroundTheCurrentFolder() -> Bool {
    guard let wanted = HostFiles.identity(of: path) else { return false }
    var folder = FilePath(FileManager.default.currentDirectoryPath)
    while true {
      if HostFiles.identity(of: folder) == wanted { return true }
      guard folder.removeLastComponent() else { return false }
    }
  }
}

/// What a manifest of every version has.
private struct ManifestOfAnyVersion: Decodable {
  struct File: Decodable {
    var path: String
  }

  var version: Int
  var system: String
  var files: [File]
}

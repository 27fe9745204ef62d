internal import Basics
internal import BuildPlan
internal import Foundation
internal import ImageModel
internal import SystemPackage

/// What a build leaves beside the disk, and what its manifest says of all of it.
struct OutputFiles {
  let plan: BuildPlan
  let folder: OutputFolder

  /// Writes `nix-support/hydra-build-products`, a line for each image, as Hydra reads it.
  ///
  /// - Throws: `BuildError`.
  func writeProducts() throws {
    let support = folder.work.appending(Self.support)
    try FileSystem.makeDirectory(support)
    let lines = plan.outputs.images.map { image in
      "file \(image.format.productType)-image \(folder.destination.appending(image.file))\n"
    }
    try FileSystem.write(Array(lines.joined().utf8), to: support.appending("hydra-build-products"))
  }

  /// Throws when a script has taken away what the manifest would name.
  func check(after hook: String) throws {
    let names = plan.outputs.images.map(\.file) + [plan.outputs.efiVariables].compactMap(\.self)
    for name in names where !FileSystem.isRegularFile(folder.work.appending(name)) {
      throw BuildError(
        .failed, "\(hook) removed, renamed or replaced '\(name)', which is no file any more",
        remedy: "Change the file in place, or make copies of it")
    }
  }

  /// Sizes and digests of every file that is there, and makes them survive a power failure.
  ///
  /// - Throws: `BuildError`.
  func describe() async throws -> [Manifest.File] {
    let names = Self.names(in: folder.work)
    return try await withThrowingTaskGroup { group in
      for name in names {
        group.addTask {
          let file = folder.work.appending(name)
          // What is read here is in memory; the disk takes its time meanwhile.
          async let flushed: Void = onThread { try FileSystem.synchronise(file) }
          let digest = try await FileDigest.sha256(of: file)
          try await flushed
          return Manifest.File(path: name, size: try FileSystem.size(of: file), sha256: digest)
        }
      }
      return try await group.reduce(into: []) { $0.append($1) }.sorted { $0.path < $1.path }
    }
  }

  private static let support = "nix-support"

  /// Every regular file below the folder; the log and Hydra's file tell of this machine, and have no digest.
  static func names(in folder: FilePath) -> [String] {
    let own = ["log", support, Manifest.fileName]
    var names: [String] = []
    let files = FileManager.default.enumerator(atPath: folder.string)
    while let name = files?.nextObject() as? String {
      guard !own.contains(where: { name == $0 || name.hasPrefix($0 + "/") }) else { continue }
      if FileSystem.isRegularFile(folder.appending(name)) { names.append(name) }
    }
    return names
  }
}

extension ImageFormat {
  /// What Hydra calls it: as make-disk-image does, by the format alone.
  fileprivate var productType: String { isPacked ? rawValue : qemuName }
}

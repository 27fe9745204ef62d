internal import Basics
internal import BuildPlan
internal import Foundation
internal import ImageModel
internal import SystemPackage

/// What a build leaves beside the disk, and what its manifest says of all of it.
struct OutputFiles {
  let outputs: OutputPlan
  let folder: OutputFolder

  /// Writes `nix-support/hydra-build-products`, a line for each image, as Hydra reads it.
  ///
  /// - Throws: `Fault`.
  func writeProducts() throws {
    try HostFiles.makeDirectory(folder.work.appending(Self.support))
    try HostFiles.write(Array(outputs.images.map(product).joined().utf8), to: products)
  }

  /// Makes the list true again after a script: lines of ours whose image is gone are taken out, those that the script
  /// added stay, and both name the folder's final place, which the script could not know.
  ///
  /// - Throws: `Fault`.
  func updateProducts() throws {
    guard HostFiles.isRegularFile(products) else { return }
    let gone = Set(outputs.images.filter { !isThere($0.file) }.map(product))
    // Bytes, as a script's file names need not be UTF-8.
    let lines = try HostFiles.read(products).split(
      separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    let kept = lines.filter { !gone.contains(String(decoding: $0, as: UTF8.self) + "\n") }
    let text = Array(kept.joined(separator: [UInt8(ascii: "\n")]))
    let (work, place) = (Array(folder.work.string.utf8), Array(folder.destination.string.utf8))
    try HostFiles.write(text.replacing(work, with: place), to: products)
  }

  /// The plan's images that are there. A script may have removed, renamed or compressed them.
  var images: [OutputImage] { outputs.images.filter { isThere($0.file) } }

  /// The variable store's name, where it is there.
  var efiVariables: String? { outputs.efiVariables.flatMap { isThere($0) ? $0 : nil } }

  private var products: FilePath { folder.work.appending(Self.support).appending("hydra-build-products") }

  private func isThere(_ name: String) -> Bool { HostFiles.isRegularFile(folder.work.appending(name)) }

  /// A path with a space, '<' or '>' is quoted: Hydra reads no line with such a path otherwise.
  private func product(_ image: OutputImage) -> String {
    let path = folder.destination.appending(image.file).string
    return
      "file \(image.format.productType)-image \(path.contains { " <>".contains($0) } ? "\"\(path)\"" : path)\n"
  }

  /// Sizes and digests of every file that is there, and makes them survive a power failure.
  ///
  /// - Parameter known: digests of files that were flushed when they were taken, by name.
  /// - Throws: `Fault`.
  func describe(known: [String: String] = [:]) async throws -> [Manifest.File] {
    let names = Self.names(in: folder.work)
    return try await withThrowingTaskGroup { group in
      for name in names {
        group.addTask {
          let file = folder.work.appending(name)
          let digest =
            if let digest = known[name] { digest } else { try await FileDigest.sha256(flushing: file) }
          return Manifest.File(path: name, size: try HostFiles.size(of: file), sha256: digest)
        }
      }
      return try await group.reduce(into: []) { $0.append($1) }.sorted { $0.path < $1.path }
    }
  }

  private static let support = "nix-support"
  /// What an output folder has beside images.
  static let reserved = [
    OutputPlan.variablesFile, Manifest.fileName, BuildReport.folderName, support,
  ]

  /// Every regular file below the folder; the log and Hydra's file tell of this machine, and have no digest.
  static func names(in folder: FilePath) -> [String] {
    let own = ["log", support, Manifest.fileName]
    var names: [String] = []
    let files = FileManager.default.enumerator(atPath: folder.string)
    while let name = files?.nextObject() as? String {
      guard !own.contains(where: { name == $0 || name.hasPrefix($0 + "/") }) else { continue }
      if HostFiles.isRegularFile(folder.appending(name)) { names.append(name) }
    }
    return names
  }
}

extension ImageFormat {
  /// What Hydra calls it: as make-disk-image does, by the format alone. Hydra passes over a word with a dot.
  fileprivate var productType: String { isPacked ? rawValue.replacing(".", with: "-") : qemuName }
}

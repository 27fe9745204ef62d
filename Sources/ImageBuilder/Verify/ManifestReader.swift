internal import Basics
internal import BuildPlan
internal import Foundation
internal import SystemPackage

extension Manifest {
  /// Far more than the longest manifest of a build.
  private static let largest: UInt64 = 16 << 20

  private struct Version: Decodable {
    var version: Int
  }

  /// Reads the manifest of an output folder, which may come from anybody.
  ///
  /// - Throws: `Fault` when there is none, when it is not one of this version, and when it names a file elsewhere.
  static func read(from folder: String) throws -> Manifest {
    let file = FilePath(folder).appending(fileName)
    guard HostFiles.exists(file) else {
      throw Fault(
        .badInput, "\(folder) has no \(fileName)", remedy: "Give the output folder of a build, or use --image"
      )
    }
    guard try HostFiles.size(of: RegularFile.check(file)) <= largest else {
      throw Fault(.badInput, "\(file) is larger than any manifest", remedy: "Build the image again")
    }
    let data = Data(try HostFiles.read(file))
    let manifest: Manifest
    do {
      let version = try JSONDecoder().decode(Version.self, from: data).version
      guard version == currentVersion else {
        throw Fault(
          .badInput, "\(file) has version \(version), and this Slipway knows version \(currentVersion)",
          remedy: "Use the Slipway that built the image, or give its files by --image and --efi-vars")
      }
      manifest = try JSONDecoder().decode(Manifest.self, from: data)
    } catch let error as DecodingError {
      throw Fault(
        .badInput, "\(file) is not a manifest of this version: \(error)", remedy: "Build the image again")
    }
    for name in manifest.images.map(\.file) + [manifest.efiVariables].compactMap(\.self) {
      guard !name.isEmpty, name != ".", name != "..", !name.utf8.contains(where: { $0 == 0 || $0 == 0x2f })
      else {
        throw Fault(
          .badInput, "\(file) names '\(name)', which is not the name of a file beside it",
          remedy: "Give the image by --image, if it is one to trust")
      }
    }
    return manifest
  }
}

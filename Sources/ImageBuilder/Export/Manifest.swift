public import BuildPlan
internal import Foundation
public import ImageModel

/// What was built, from what and with what: `manifest.json`.
///
/// All of it follows from the request, the firmware and the tools: how long a build took, and on what machine, is in its
/// `BuildReport`.
public struct Manifest: Codable, Hashable, Sendable {
  /// One file of the output folder.
  public struct File: Codable, Hashable, Sendable {
    /// Its path below the output folder.
    public var path: String
    /// Its size, in bytes.
    public var size: UInt64
    /// Its SHA-256, in hexadecimal.
    public var sha256: String
  }

  /// One file with the disk in it.
  public struct Image: Codable, Hashable, Sendable {
    /// Its format.
    public var format: ImageFormat
    /// Its file name.
    public var file: String
    /// The format's own identifier of it.
    public var identifier: GUID

    init(_ image: OutputImage) {
      format = image.format
      file = image.file
      identifier = image.identifier
    }
  }

  /// What the installation did to one EFI variable.
  public struct VariableChange: Codable, Hashable, Sendable {
    /// What became of it.
    public enum Kind: String, Codable, Sendable {
      case added, changed, removed
    }

    /// What became of it.
    public var kind: Kind
    /// Its name and its vendor's GUID, as efivarfs names its files.
    public var variable: String
    /// Its value for people; of a changed one the old and the new.
    public var value: String
    /// Whether it is one that the firmware makes by itself at each boot.
    public var isFirmwareOwned: Bool
  }

  /// The manifest's own version; raised when a key changes its meaning.
  public var version = Manifest.currentVersion
  /// The request as it was given, with the SHA-256 of each script in the place of its text, which may hold secrets.
  public var spec: ImageSpec
  /// The store path of the toplevel that boots by default, or that a store alone is of.
  public var system: String
  /// All generations; nil for a store alone, which has no profile.
  public var generations: Generations?
  /// What every identifier comes from that the spec does not give.
  public var seed: GUID
  /// The guest's clock at start, and the latest time of any file, in seconds since 1970.
  public var time: Int64
  /// Whether the host wrote every byte of the disk in an order of its own, so that each build makes the same.
  public var sealed: Bool
  /// Why the guest's kernel has laid out a filesystem; nil where `sealed`.
  public var directPath: String?
  /// Partitions, GUIDs, UUIDs and sizes of the disk.
  public var disk: DiskLayout
  /// The disk images that are in the folder: formats and names. `postVM` may have taken others away.
  public var images: [Image]
  /// The EFI variable store's name in the folder; nil for a store alone, and where `postVM` took it away.
  public var efiVariables: String?
  /// The firmware that the variable store belongs to.
  public var firmware: FirmwarePair?
  /// How the exported variable store differs from the firmware's template; nil for an image without one.
  public var efiVariableChanges: [VariableChange]?
  /// Sizes and digests of the artefacts.
  public var files: [File]
  /// Versions of the tools that made them, as they decide bytes.
  public var tools: [String: String]
}

extension Manifest {
  static let fileName = "manifest.json"
  /// The version that is written, and the only one that is read.
  public static let currentVersion = 5

  /// The manifest as sorted, indented JSON.
  func json() throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return Array(try encoder.encode(self)) + [UInt8(ascii: "\n")]
  }
}

public import BuildPlan
internal import Foundation
public import ImageModel

/// What was built, from what and with what: `manifest.json`.
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
    public var isFirmwares: Bool
  }

  /// One step's time.
  public struct Step: Codable, Hashable, Sendable {
    /// The step's name.
    public var name: String
    /// Seconds it took.
    public var seconds: Double
  }

  /// The version that this Slipway writes, and the only one that it reads.
  static let currentVersion = 2

  /// The manifest's own version; raised when a key changes its meaning.
  public var version = Manifest.currentVersion
  /// The request as it was given.
  public var spec: ImageSpec
  /// The toplevel's store path.
  public var system: String
  /// Partitions, GUIDs, UUIDs and sizes of the disk.
  public var disk: DiskLayout
  /// The disk images: formats and names in the folder.
  public var images: [OutputImage]
  /// The EFI variable store's name in the folder; nil for a store alone.
  public var efiVariables: String?
  /// The firmware that the variable store belongs to.
  public var firmware: FirmwarePair?
  /// How the exported variable store differs from the firmware's template; nil for an image without one.
  public var efiVariableChanges: [VariableChange]?
  /// Sizes and digests of the artefacts.
  public var files: [File]
  /// Versions of the tools that made them.
  public var tools: [String: String]
  /// The steps, in the order in which they ended.
  public var steps: [Step]
  /// What went wrong without stopping the build.
  public var warnings: [String]
}

extension Manifest {
  static let fileName = "manifest.json"

  /// The manifest as sorted, indented JSON.
  func json() throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return Array(try encoder.encode(self)) + [UInt8(ascii: "\n")]
  }
}

internal import Basics

/// The header of a disk image in QEMU's qcow2 format (`docs/interop/qcow2.txt` in QEMU's source).
public struct Qcow2Header: Hashable, Sendable {
  /// The bytes that a guest sees.
  public let size: UInt64
  /// Whether what it holds is in other files too: in a backing file, or in an external data file.
  public let needsOtherFiles: Bool
  /// Whether it is encrypted.
  public let isEncrypted: Bool

  /// Bytes of a file that are enough to read it.
  public static let length = 104

  /// Reads the header; nil for bytes that are not the beginning of a qcow2 file.
  public init?(_ bytes: [UInt8]) {
    guard bytes.count >= 72, bytes.starts(with: Array("QFI".utf8) + [0xfb]) else { return nil }
    let hasFeatures = bytes.bigEndian(at: 4, 4) >= 3 && bytes.count >= Self.length
    // The third of the incompatible features: an external data file.
    let hasDataFile = hasFeatures && bytes.bigEndian(at: 72, 8) & 4 != 0
    size = bytes.bigEndian(at: 24, 8)
    needsOtherFiles = bytes.bigEndian(at: 8, 8) != 0 || hasDataFile
    isEncrypted = bytes.bigEndian(at: 32, 4) != 0
  }
}

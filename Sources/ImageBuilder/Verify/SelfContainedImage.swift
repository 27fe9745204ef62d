internal import Basics
internal import ImageModel
internal import SystemPackage

/// Refuses images from outside whose disk is in other files as well: QEMU would open whatever file they name.
///
/// Their headers are read here, before any tool of QEMU sees them: its own report of an image opens an external data file
/// in some versions (CVE-2024-4467).
enum SelfContainedImage {
  /// - Throws: `Fault` that names the other file where the image does.
  static func check(_ image: FilePath, _ format: ImageFormat) throws {
    guard let other = try DiskFile.with(image, { try format.otherFile?($0.image) }) else { return }
    throw Fault(
      .badInput, "\(image) is not a whole image: \(other)",
      remedy: "Make one of it where the other file is trusted: qemu-img convert -O raw")
  }
}

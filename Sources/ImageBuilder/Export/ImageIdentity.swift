internal import Basics
internal import ImageModel
internal import SystemPackage

/// Gives an image file the plan's identifiers and time, in place of those that qemu-img takes from chance and the clock.
struct ImageIdentity {
  /// The image's own identifier.
  let identifier: GUID
  /// The time of its making, in seconds since 1970.
  let time: Int64

  /// Writes them into a file that qemu-img has made; formats without any are left alone.
  ///
  /// - Throws: `Fault` when the file is not as its format says; nothing but identifiers is lost then.
  ///   `CancellationError`.
  func write(to image: FilePath, _ format: ImageFormat) throws {
    guard let identity = format.identity else { return }
    do {
      let edits = try DiskFile.with(image) { try identity(identifier, time, $0.image) }
      let file = try FileDescriptor.open(image, .writeOnly)
      try file.closeAfter {
        for edit in edits {
          try Cancellation.check()
          try file.writeAll(toAbsoluteOffset: Int64(clamping: edit.offset), edit.bytes)
        }
      }
    } catch is OddImage {
      throw Fault(
        .failed, "\(image) is not laid out as qemu-img of a known version makes \(format.rawValue)",
        remedy: "Choose another format, and report the version of qemu-img")
    } catch let error as Errno {
      throw Fault(.failed, "the identifier of \(image) could not be written: \(error)")
    }
  }
}

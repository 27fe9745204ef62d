internal import Basics
internal import Foundation
internal import ImageModel
internal import SystemPackage

/// The files that an inspection reads: an image and its variable store, and what an output folder has beside them.
struct InspectedFiles: Sendable {
  private(set) var image: FilePath
  private(set) var format: ImageFormat
  private(set) var variables: FilePath?
  private(set) var build: BuildStepsReport?
  /// Bytes of the image file.
  private(set) var size: UInt64

  /// - Throws: `Fault` for an image that is not there, or whose format is not known.
  init(_ path: String, variables: String?, format: ImageFormat?) throws {
    let place = FilePath(path)
    self.variables = variables.map { FilePath($0) }
    if HostFiles.isFolder(place) {
      let manifest = try Manifest.read(from: path)
      guard let found = manifest.images.first(where: { format == nil || $0.format == format }) else {
        throw Fault(
          .badInput, "\(path) has no image\(format.map { " of format \($0.rawValue)" } ?? "")",
          remedy: "Name an image file")
      }
      image = place.appending(found.file)
      self.format = found.format
      self.variables = self.variables ?? manifest.efiVariables.map { place.appending($0) }
      build = BuildStepsReport(of: place)
    } else {
      guard let known = format ?? ImageFormat.named(by: path) else {
        throw Fault(
          .badInput, "the format of \(path) is not known by its name", remedy: "Name it with --format")
      }
      image = place
      self.format = known
    }
    size = try FileStatus(of: RegularFile.check(image)).size
  }
}

extension BuildStepsReport {
  /// More than the report of any build.
  private static let reportLimit = 1 << 20
  /// More than a screen of a VM takes as a PNG.
  private static let screenshotLimit = 4 << 20
  private static let mostScreenshots = 8
  private static let pngSignature: [UInt8] = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]

  /// Reads the logs of an output folder, which may come from anybody; what is missing is left out.
  init(of folder: FilePath) {
    let logs = folder.appending(BuildReport.folderName)
    let json = try? WholeFile.read(logs.appending("build.json"), limit: Self.reportLimit)
    let report = json.flatMap { try? JSONDecoder().decode(BuildReport.self, from: Data($0)) }
    steps = (report?.steps ?? []).map { Step(name: $0.name, seconds: $0.seconds) }
    let names = (try? FileManager.default.contentsOfDirectory(atPath: logs.string)) ?? []
    screenshots = names.filter { $0.hasSuffix(".png") }.sorted().prefix(Self.mostScreenshots).compactMap {
      name in
      let bytes = try? WholeFile.read(logs.appending(name), limit: Self.screenshotLimit)
      guard let bytes, bytes.starts(with: Self.pngSignature) else { return nil }
      return Screenshot(file: name, png: Data(bytes).base64EncodedString())
    }
  }
}

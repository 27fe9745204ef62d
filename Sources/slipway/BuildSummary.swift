internal import ImageBuilder
internal import ImageModel

/// What a person wants to know after a build.
enum BuildSummary {
  static func text(_ manifest: Manifest, in folder: String) -> String {
    manifest.files.map { file in
      "\(folder)/\(file.path)  \(ByteSize(bytes: file.size))  sha256:\(file.sha256)\n"
    }.joined()
  }
}

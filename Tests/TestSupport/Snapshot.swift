internal import Foundation
package import Testing

/// Compares a text with its golden file, `NAME` in the folder, or in `Snapshots` beside the test's source.
///
/// A missing golden file, or `RECORD_SNAPSHOTS=1`, writes the file and fails the test: a person has to look at
/// it and run the test again.
package func expectSnapshot(
  _ text: String, named name: String, in folder: String? = nil, filePath: String = #filePath,
  sourceLocation: SourceLocation = #_sourceLocation
) throws {
  let beside = URL(fileURLWithPath: filePath).deletingLastPathComponent().appendingPathComponent("Snapshots")
  let folder = folder.map { URL(fileURLWithPath: $0) } ?? beside
  let file = folder.appendingPathComponent(name)
  let recording = ProcessInfo.processInfo.environment["RECORD_SNAPSHOTS"] != nil
  guard !recording, let golden = try? String(contentsOf: file, encoding: .utf8) else {
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    try text.write(to: file, atomically: true, encoding: .utf8)
    Issue.record("wrote \(file.path); look at it and run again", sourceLocation: sourceLocation)
    return
  }
  guard text != golden else { return }
  let expected = golden.split(separator: "\n", omittingEmptySubsequences: false)
  let found = text.split(separator: "\n", omittingEmptySubsequences: false)
  let difference = found.difference(from: expected).map { change in
    switch change {
    case .remove(let offset, let line, _): "-\(offset + 1): \(line)"
    case .insert(let offset, let line, _): "+\(offset + 1): \(line)"
    }
  }
  Issue.record(
    "differs from \(file.path) (make record writes it anew):\n\(difference.joined(separator: "\n"))",
    sourceLocation: sourceLocation)
}

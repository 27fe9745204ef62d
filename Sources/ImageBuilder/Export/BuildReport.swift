internal import BuildPlan
internal import Foundation
internal import SystemPackage

/// How a build went on this machine: `log/build.json`. It differs from one build of the same image to the next, and so is
/// not part of the manifest.
struct BuildReport: Codable, Hashable, Sendable {
  /// One step's time.
  struct Step: Codable, Hashable, Sendable {
    /// The step's name.
    var name: String
    /// Seconds it took.
    var seconds: Double
  }

  /// How a machine came up.
  struct Start: Codable, Hashable, Sendable {
    enum Kind: String, Codable, Sendable {
      /// It was restored from a saved machine.
      case warm
      /// It booted.
      case cold
    }

    var kind: Kind
    /// Why it was not restored; nil when it was.
    var reason: String?
  }

  /// The report's own version; raised when a key changes its meaning.
  var version = 1
  /// What ran the guest's processors; nil when no machine was started.
  var accelerator: Accelerator.Kind?
  /// How the machine came up; nil when none was started.
  var start: Start?
  /// The steps, in the order in which they ended.
  var steps: [Step]
  /// What went wrong without stopping the build.
  var warnings: [String]

  /// The folder of logs, below the output folder.
  static let folderName = "log"

  /// Writes the report into an output folder.
  ///
  /// - Throws: `Fault`.
  func write(into folder: FilePath) throws {
    let logs = folder.appending(Self.folderName)
    if !HostFiles.exists(logs) { try HostFiles.makeDirectory(logs) }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    let json = Array(try encoder.encode(self)) + [UInt8(ascii: "\n")]
    try HostFiles.write(json, to: logs.appending("build.json"))
  }
}

extension BuildReport.Start {
  /// For people.
  var text: String { reason.map { "\(kind.rawValue): \($0)" } ?? kind.rawValue }
}

internal import Foundation

/// What a booted system says of itself.
public struct BootedSystem: Hashable, Codable, Sendable {
  /// The store path of `/run/booted-system`; nil for a system that is not NixOS's.
  public var system: String?
  /// The kernel's command line.
  public var commandLine: String

  private static let command = "readlink -f /run/booted-system; echo; cat /proc/cmdline"

  /// Asks it.
  ///
  /// - Throws: `Fault`, `CancellationError`.
  static func ask(_ shell: ConsoleShell) async throws -> BootedSystem {
    let lines = try await shell.run(command).output.split(separator: "\n").map(String.init)
    let system = lines.first { $0.hasPrefix("/nix/store/") }
    let commandLine = lines.last { $0 != system }
    return BootedSystem(
      system: system, commandLine: commandLine?.trimmingCharacters(in: .whitespaces) ?? "")
  }

  /// Whether it is what an entry starts; nil for yes, else what is different.
  func difference(from entry: BootEntryReport) -> String? {
    if let wanted = entry.system {
      guard system != wanted else { return nil }
      return "\(system ?? "another system") has booted, and the entry \(entry.identifier) is for \(wanted)"
    }
    let words = Set(commandLine.split(whereSeparator: \.isWhitespace))
    let missing = entry.options.split(whereSeparator: \.isWhitespace).filter { !words.contains($0) }
    guard !missing.isEmpty else { return nil }
    return
      "the kernel's command line is '\(commandLine)', and that of the entry \(entry.identifier) has '\(missing.joined(separator: " "))'"
  }
}

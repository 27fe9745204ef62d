internal import ArgumentParser
internal import Basics
internal import Foundation
internal import ImageBuilder
internal import ImageModel

/// `slipway cache`
struct CacheCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cache",
    abstract: "What builds keep for later ones: appliances, and machines that have booted them.",
    subcommands: [List.self, Prune.self], defaultSubcommand: List.self)

  /// `slipway cache list`
  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list", abstract: "List what is kept, with its size and the time of its last use.")

    func run() async throws {
      let entries = BuildCache().entries
      try DataOutput.standard.write(lines: entries.map(line) + [total(entries)])
    }
  }

  /// `slipway cache prune`
  struct Prune: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "prune", abstract: "Remove what no build has used for a while, and list it.")

    @Option(help: ArgumentHelp("For how many days it was not used; 0 removes everything.", valueName: "n"))
    var days = 1

    func validate() throws {
      guard (0...36_500).contains(days) else { throw ValidationError("Give 0 to 36500 days.") }
    }

    func run() async throws {
      let removed = BuildCache().prune(unusedForDays: days)
      try DataOutput.standard.write(lines: removed.map(line) + [total(removed)])
    }
  }
}

private func line(_ entry: BuildCache.Entry) -> String {
  let used = Date(timeIntervalSince1970: Double(entry.used)).formatted(.iso8601)
  let kind = entry.kind.rawValue.padding(toLength: 9, withPad: " ", startingAt: 0)
  return "\(kind)  \(entry.name.prefix(16))  \(used)  \(ByteSize(bytes: entry.size))"
}

private func total(_ entries: [BuildCache.Entry]) -> String {
  "\(entries.count) in all, \(ByteSize(bytes: entries.reduce(0) { $0 + $1.size }))"
}

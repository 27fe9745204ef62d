internal import Basics
internal import Glibc
internal import Guestfs

/// What the steps about files have in common.
enum PartitionFields {
  static let partition = ScenarioField(
    "partition", .partition, "The partition: its number, or where the system mounts it. Default: /boot.")
  static let path = ScenarioField(
    "path", .path, isRequired: true, "Path on the partition; a '*' in its last part stands for any text.")

  static func partition(_ value: YAMLValue) -> PartitionReference {
    guard let partition = value["partition"] else { return .mountPoint("/boot") }
    if let number = partition.number { return .number(number) }
    return .mountPoint(partition.text)
  }
}

/// A path whose last part may be a pattern.
struct FilePattern: Hashable, Sendable {
  /// With a slash in front.
  let text: String

  private var folder: String { text.split(separator: "/").dropLast().map { "/\($0)" }.joined() }
  private var name: String { text.split(separator: "/").last.map(String.init) ?? "" }

  /// The files that it stands for, by names of its folder, as FAT compares them.
  func paths(among names: [String]) -> [String] {
    names.filter { fnmatch(name.lowercased(), $0.lowercased(), 0) == 0 }.sorted().map { "\(folder)/\($0)" }
  }

  /// The files of a filesystem that it stands for; there is one at least.
  ///
  /// - Throws: `Fault`; `CancellationError`.
  func files(of guest: Guestfs) throws -> [String] {
    let place = folder.isEmpty ? "/" : folder
    let names = try guest.names(in: Array(place.utf8)).compactMap { String(validating: $0, as: UTF8.self) }
    let found = paths(among: names)
    guard !found.isEmpty else {
      throw Fault(.failed, "the partition has no file \(TerminalText.escaped(text))")
    }
    return found
  }
}

internal import Basics
internal import Guestfs

/// `fillBootPartition`: a partition has hardly any room left.
struct FillBootPartitionStep: ScenarioAction {
  static let key = "fillBootPartition"
  static let help = "Fill a partition of the copy with files slipway-filler-N, but for some bytes."
  static let shape = ScenarioShape.object(
    [
      ScenarioField("leave", .size, isRequired: true, "Bytes that stay free, to a unit of the filesystem."),
      PartitionFields.partition,
    ], short: "leave")

  private let partition: PartitionReference
  private let leave: UInt64

  /// The largest file, in bytes.
  private static let largest: UInt64 = 1 << 30
  /// A terabyte of files.
  private static let mostFiles = 1024

  init(_ value: YAMLValue) throws(ScenarioError) {
    partition = PartitionFields.partition(value)
    leave = try value.required("leave").size ?? 0
  }

  var text: String { "fill \(partition.text) but for \(leave) bytes" }

  func run(on stage: ScenarioStage) async throws -> String? {
    let leave = leave
    let free = try await stage.editing(partition) { guest in
      var number = 0
      var free = try guest.usage().free
      while free > leave {
        number += 1
        guard number <= Self.mostFiles else {
          throw Fault(
            .failed, "the partition is too large to be filled", cause: "\(free) bytes are still free")
        }
        let size = min(free - leave, Self.largest)
        try guest.makeFile(Array("/slipway-filler-\(number)".utf8), size: Int32(clamping: size))
        let now = try guest.usage().free
        // Less than a unit of the filesystem is left to fill.
        guard now < free else { break }
        free = now
      }
      return free
    }
    return "\(free) bytes are free"
  }
}

/// `corruptFile`: bytes of files are other ones.
struct CorruptFileStep: ScenarioAction {
  static let key = "corruptFile"
  static let help = "Invert every bit of some bytes of a file of the copy."
  static let shape = ScenarioShape.object(
    [
      PartitionFields.path, PartitionFields.partition,
      ScenarioField("offset", .size, "The first of the bytes. Default: 0."),
      ScenarioField("count", .number(1...1 << 20), "How many bytes. Default: 512."),
    ], short: "path")

  private let partition: PartitionReference
  private let pattern: FilePattern
  private let offset: UInt64
  private let count: Int

  init(_ value: YAMLValue) throws(ScenarioError) {
    partition = PartitionFields.partition(value)
    pattern = FilePattern(text: try value.required("path").text)
    offset = value["offset"]?.size ?? 0
    count = value["count"]?.number ?? 512
  }

  var text: String { "corrupt \(pattern.text) on \(partition.text)" }

  func run(on stage: ScenarioStage) async throws -> String? {
    let (pattern, offset, count) = (pattern, offset, count)
    let files = try await stage.editing(partition) { guest in
      let files = try pattern.files(of: guest)
      for file in files {
        let bytes = try guest.content(of: Array(file.utf8), at: offset, count: count)
        guard !bytes.isEmpty else {
          throw Fault(.failed, "\(TerminalText.escaped(file)) has no byte at \(offset)")
        }
        try guest.write(bytes.map { ~$0 }, to: Array(file.utf8), at: offset)
      }
      return files
    }
    return files.map(TerminalText.escaped).joined(separator: ", ")
  }
}

/// `removeFile`: files are gone.
struct RemoveFileStep: ScenarioAction {
  static let key = "removeFile"
  static let help = "Remove a file of the copy."
  static let shape = ScenarioShape.object([PartitionFields.path, PartitionFields.partition], short: "path")

  private let partition: PartitionReference
  private let pattern: FilePattern

  init(_ value: YAMLValue) throws(ScenarioError) {
    partition = PartitionFields.partition(value)
    pattern = FilePattern(text: try value.required("path").text)
  }

  var text: String { "remove \(pattern.text) on \(partition.text)" }

  func run(on stage: ScenarioStage) async throws -> String? {
    let pattern = pattern
    let files = try await stage.editing(partition) { guest in
      let files = try pattern.files(of: guest)
      for file in files { try guest.remove(Array(file.utf8)) }
      return files
    }
    return files.map(TerminalText.escaped).joined(separator: ", ")
  }
}

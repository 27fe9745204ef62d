internal import Basics
internal import BuildPlan
internal import EFIVariables
internal import HostProbe
public import ImageModel
internal import SystemPackage

/// Compares two images, output folders or variable stores, of this Slipway's making or not.
///
/// Neither is trusted, and neither is written to.
public struct ImageComparison: Sendable {
  private let left: String
  private let right: String
  private let format: ImageFormat?

  /// Prepares a comparison; nothing is read yet.
  ///
  /// - Parameter format: the format of both images; nil to go by their names.
  public init(_ left: String, _ right: String, format: ImageFormat? = nil) {
    (self.left, self.right, self.format) = (left, right, format)
  }

  /// Compares, cheapest first: what has equal bytes is not looked into.
  ///
  /// - Throws: `Fault`; `CancellationError`.
  public func run() async throws -> ImageDifferences {
    let (one, other) = (FilePath(left), FilePath(right))
    guard HostFiles.isFolder(one) == HostFiles.isFolder(other) else {
      throw Fault(
        .badInput, "one of \(left) and \(right) is a folder, and the other is not",
        remedy: "Give two output folders, two images or two variable stores")
    }
    guard HostFiles.isFolder(one) else {
      let kinds = (try await ComparedKind(of: one, format), try await ComparedKind(of: other, format))
      return try await FileComparison(one, other).run(kinds.0, kinds.1)
    }
    return try await FolderComparison(left: one, right: other).run()
  }
}

/// What a file is, as far as it matters to a comparison.
enum ComparedKind: Hashable, Sendable {
  case image(ImageFormat)
  case store

  /// The place and bytes that begin the header of a raw variable store.
  static let storeSignature = (offset: UInt64(0x28), bytes: Array("_FVH".utf8))

  /// - Throws: `Fault` for a file that is neither.
  init(of file: FilePath, _ format: ImageFormat?) async throws {
    let path = try RegularFile.check(file)
    let signature = Self.storeSignature
    let beginning = try DiskFile.with(path) { try $0.bytes(signature.bytes.count, at: signature.offset) }
    if let format {
      self = .image(format)
    } else if beginning == signature.bytes {
      self = .store
    } else if let format = ImageFormat.named(by: file.string) {
      self = .image(format)
    } else if (try? await VariableStoreFile(file.string).read()) != nil {
      self = .store
    } else {
      throw Fault(
        .badInput, "\(file) is not a variable store, and the format of an image is not known by its name",
        remedy: "Name it with --format")
    }
  }
}

/// Compares two files.
struct FileComparison {
  let left: FilePath
  let right: FilePath

  init(_ left: FilePath, _ right: FilePath) {
    (self.left, self.right) = (left, right)
  }

  /// - Throws: `Fault`; `CancellationError`.
  func run(_ kind: ComparedKind, _ otherKind: ComparedKind) async throws -> ImageDifferences {
    switch (kind, otherKind) {
    case (.store, .store): return try await stores()
    case (.image(.raw), .image(.raw)): return try await disks(left, right)
    case (.image(let format), .image(let other)):
      if format == other, try await bytes("file").isEmpty { return ImageDifferences() }
      return try await ScratchFolder.with("diff") { scratch in
        let tools = ToolFolder(path: scratch)
        try await RawDisk.make(of: left, format, as: "left.raw", in: tools)
        try await RawDisk.make(of: right, other, as: "right.raw", in: tools)
        let (one, another) = (scratch.appending("left.raw"), scratch.appending("right.raw"))
        if try Self.isStore(one), try Self.isStore(another) { return try await stores() }
        var result = try await disks(one, another)
        guard result.isEmpty else { return result }
        guard format == other else {
          result.differences.append(
            ImageDifference(region: "file", field: "format", left: format.rawValue, right: other.rawValue))
          return result
        }
        return try await bytes("file (\(format.rawValue))")
      }
    default:
      throw Fault(
        .badInput, "one of \(left) and \(right) is a variable store, and the other is not",
        remedy: "Give two output folders, two images or two variable stores")
    }
  }

  private static func isStore(_ disk: FilePath) throws -> Bool {
    let signature = ComparedKind.storeSignature
    return try DiskFile.with(disk) { try $0.bytes(signature.bytes.count, at: signature.offset) }
      == signature.bytes
  }

  private func stores() async throws -> ImageDifferences {
    let (one, other) = (
      try await VariableStoreFile(left.string).read(), try await VariableStoreFile(right.string).read()
    )
    let list = DifferenceList()
    StoreComparison(list: list).compare(one, other)
    return list.result.isEmpty
      ? try await bytes(StoreComparison.region, field: "bytes outside of the variables") : list.result
  }

  private func disks(_ one: FilePath, _ other: FilePath) async throws -> ImageDifferences {
    let (list, foreign) = try await onThread {
      try reading {
        try DiskFile.with(one) { first in
          try DiskFile.with(other) { second in
            let list = DifferenceList()
            let foreign = try DiskComparison(left: first, right: second, list: list).run()
            return (list.result, foreign)
          }
        }
      }
    }
    guard !foreign.isEmpty else { return list }
    var result = list
    do {
      let isEmulated = try await HostProbe().accelerator().kind == .tcg
      result.add(
        try await ScratchFolder.with("diff") { scratch in
          let comparison = ForeignComparison(
            left: one.absolute, right: other.absolute, emulated: isEmulated, scratch: scratch)
          return try await onThread { try comparison.run(foreign) }
        })
    } catch let fault as Fault {
      for filesystem in foreign {
        result.differences += filesystem.bytes
        result.notes.append("\(filesystem.region) was compared by its bytes alone")
      }
      result.notes += fault.lines
    }
    return result
  }

  /// Compares two files that are nothing else.
  func bytes(_ region: String, field: String = "bytes") async throws -> ImageDifferences {
    let (left, right) = (left, right)
    return try await onThread {
      try reading {
        try DiskFile.with(left) { one in
          try DiskFile.with(right) { other in
            let list = DifferenceList()
            let ranges = try DifferingRanges(one, other, count: min(one.size, other.size))
            if one.size != other.size { list.add(region, nil, "size", "\(one.size)", "\(other.size)") }
            try list.addBytes(region, nil, field: field, ranges.ranges, one.image, other.image)
            return list.result
          }
        }
      }
    }
  }

  /// Runs code that reads both, and says which files were read where that fails.
  private func reading<Result>(_ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch let error as Errno {
      throw Fault(.failed, "could not read \(left) and \(right)", cause: "\(error)")
    }
  }
}

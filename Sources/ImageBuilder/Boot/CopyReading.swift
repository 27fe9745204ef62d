internal import Basics
internal import BuildPlan
internal import Command
internal import Guestfs
internal import ImageModel
internal import ImageReading
internal import SystemPackage

/// A partition of an image, as a person names it.
enum PartitionReference: Hashable, Sendable {
  /// Its number in the table; 0 for a disk without one.
  case number(Int)
  /// Where the installed system mounts it.
  case mountPoint(String)

  /// For people.
  var text: String {
    switch self {
    case .number(let number): "partition \(number)"
    case .mountPoint(let place): place
    }
  }
}

/// Where the partitions of an image are mounted, as far as it is known.
struct MountPoints: Hashable, Sendable {
  private let numbers: [String: Int]

  /// - Throws: `Fault` for an output folder without a good manifest.
  init(of request: BootRequest) throws {
    let manifest = try request.folder.map(Manifest.read)
    var numbers: [String: Int] = [:]
    for partition in manifest?.disk.partitions ?? [] {
      if let place = partition.filesystem?.mountPoint { numbers[place] = partition.number }
    }
    self.numbers = numbers
  }

  /// The number of a partition.
  ///
  /// Of an image that tells nothing, `/efi` is the EFI system partition, and `/boot` the extended boot loader partition or, where
  /// there is none, the EFI system partition.
  ///
  /// - Throws: `Fault` of kind `badInput` for a place that is not known.
  func number(of reference: PartitionReference, on map: DiskMap) throws(Fault) -> Int {
    switch reference {
    case .number(let number): return number
    case .mountPoint(let place):
      if let number = numbers[place] { return number }
      let system = map.parts.first { $0.report.type.map { DiskMap.systemTypes.contains($0) } ?? false }
      let extended = map.parts.first { $0.report.type == .extendedBoot }
      let found: DiskMap.Part? =
        switch place {
        case "/efi": system
        case "/boot": extended ?? system
        default: nil
        }
      guard numbers.isEmpty, let found else {
        let known = numbers.isEmpty ? "" : "; known are \(numbers.keys.sorted().joined(separator: ", "))"
        throw Fault(
          .badInput, "it is not known which partition is mounted on \(place)\(known)",
          remedy: "Give the partition's number, which 'slipway inspect' shows")
      }
      return found.report.number
    }
  }
}

extension BootSetup {
  private static let flattened = "flattened.img"

  /// Boot entries, generations and disk of a copy as it is now.
  ///
  /// - Throws: `Fault`, `CancellationError`.
  func report(of copy: ImageCopy) async throws -> ImageReport {
    let store = try await copy.store()
    return try await flattening(copy) { disk in
      let source = try InspectedFiles(disk.string, variables: nil, format: .raw)
      return try await ImageInspection(artefacts.image.string).report(of: source, store)
    }
  }

  /// The number of a copy's partition.
  ///
  /// - Throws: `Fault`, `CancellationError`.
  func number(of reference: PartitionReference, _ mountPoints: MountPoints, on copy: ImageCopy) async throws
    -> Int
  {
    if case .number(let number) = reference { return number }
    return try await flattening(copy) { path in
      try await onThread {
        try DiskFile.with(path) { try mountPoints.number(of: reference, on: DiskMap(of: $0)) }
      }
    }
  }

  /// Reads a filesystem of a copy as it is now: natively where it can be, else by a machine of libguestfs's.
  ///
  /// - Throws: `Fault`, `CancellationError`; what `body` throws.
  func reading<Value: Sendable>(
    _ reference: PartitionReference, _ mountPoints: MountPoints, of copy: ImageCopy,
    _ body: @escaping @Sendable (any ReadableTree) throws -> Value
  ) async throws -> Value {
    let isEmulated = accelerator == .tcg
    return try await flattening(copy) { [scratch] path in
      try await onThread {
        do {
          return try DiskFile.with(path) { disk in
            var map = try DiskMap(of: disk)
            let number = try mountPoints.number(of: reference, on: map)
            guard let index = map.parts.firstIndex(where: { $0.report.number == number }) else {
              throw Fault(
                .badInput, "the image has no partition \(number)",
                remedy: "'slipway inspect' shows which there are")
            }
            if let tree = map.parts[index].tree { return try body(tree) }
            return try Guestfs.with(disks: [.init(path)], emulated: isEmulated, scratch: scratch) { guest in
              let notes = try map.read(with: guest)
              guard let tree = map.parts[index].tree else {
                throw Fault(
                  .failed, "could not read \(reference.text) of the image",
                  cause: notes.first ?? map.notes.first ?? "no filesystem is known on it")
              }
              return try body(tree)
            }
          }
        } catch let error as UnreadableStructure {
          throw Fault(.failed, "could not read \(reference.text) of the image", cause: error.reason)
        } catch let error as Errno {
          throw Fault(.failed, "could not read \(reference.text) of the image", cause: "\(error)")
        }
      }
    }
  }

  /// Runs `body` with a raw disk of what a copy has now, which is gone afterwards.
  private func flattening<Value>(_ copy: ImageCopy, _ body: (FilePath) async throws -> Value) async throws
    -> Value
  {
    let disk = scratch.appending(Self.flattened)
    try await HostCommand(attempt: "read the copy of the image", place: scratch, package: "qemu-utils").run {
      // Made by qemu-img it would be everybody's to read where the folder is not this user's alone.
      try HostFiles.makePrivateFile(disk)
      let name = copy.disk.lastComponent?.string ?? ""
      try await SubprocessRunner().run(
        ToolFolder(path: scratch).command(
          "qemu-img", ["convert", "-f", "qcow2", "-O", "raw", name, Self.flattened]))
    }
    let result: Result<Value, any Error>
    do {
      result = .success(try await body(disk))
    } catch {
      result = .failure(error)
    }
    try HostFiles.remove(disk)
    return try result.get()
  }
}

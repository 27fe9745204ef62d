internal import Basics

/// What a disk has for a firmware that boots from it.
package struct BootDisk: Hashable, Sendable {
  /// One partition.
  package struct Partition: Hashable, Sendable {
    package var number: UInt32
    /// In sectors of the disk.
    package var start: UInt64
    package var size: UInt64
    package var signature: DevicePathNode.HardDrive.Signature
    /// Whether its type is that of an EFI system partition.
    package var isSystem: Bool
    /// Paths of its files with backslashes; nil when it holds no FAT filesystem.
    package var files: Set<String>?

    package init(
      number: UInt32, start: UInt64, size: UInt64, signature: DevicePathNode.HardDrive.Signature,
      isSystem: Bool, files: Set<String>? = nil
    ) {
      self.number = number
      self.start = start
      self.size = size
      self.signature = signature
      self.isSystem = isSystem
      self.files = files
    }

    /// Whether there is a file; FAT does not tell upper from lower case.
    func has(_ path: String) -> Bool {
      let wanted = path.uppercased()
      return files?.contains { $0.uppercased() == wanted } ?? false
    }
  }

  package var partitions: [Partition]
  /// The bytes of a sector.
  package var sectorSize: UInt64

  package init(partitions: [Partition], sectorSize: UInt64 = 512) {
    self.partitions = partitions
    self.sectorSize = sectorSize
  }

  /// Whether an EFI system partition has the file that firmware starts without an entry.
  package var hasFallbackLoader: Bool {
    partitions.contains { $0.isSystem && $0.has(Architecture.current.fallbackLoader) }
  }
}

/// A program that firmware starts by itself.
package struct BootProgram: Hashable, Sendable {
  /// The number of its partition.
  package var partition: UInt32
  /// Its path there, with backslashes.
  package var path: String

  package init(partition: UInt32, path: String) {
    self.partition = partition
    self.path = path
  }
}

/// How a store's boot entries fit a disk.
package struct DiskCheck: Hashable, Sendable {
  /// What does not fit, a sentence each, with the variable's name first.
  package private(set) var problems: [String] = []
  /// Entries that name a partition of the disk and a file that is there.
  package private(set) var good: [UInt16] = []
  /// Those of them that `BootOrder` lists and that are active: firmware starts one of them by itself.
  package private(set) var started: [UInt16] = []
  /// What those start, in their order.
  package private(set) var programs: [BootProgram] = []

  /// Looks at each `Boot####`, at `BootOrder` and at `BootNext`.
  ///
  /// Entries without a partition in their path, such as the firmware's own, are of no disk and are let be.
  package init(of store: VariableStore, on disk: BootDisk) {
    var active: [UInt16: BootProgram] = [:]
    var numbers: Set<UInt16> = []
    for variable in store.variables.sorted(by: { $0.key < $1.key }) {
      guard let number = variable.key.bootNumber else { continue }
      numbers.insert(number)
      check(variable, number, on: disk, &active)
    }
    checkReferences(in: store, to: numbers, active)
  }

  private mutating func check(
    _ variable: Variable, _ number: UInt16, on disk: BootDisk, _ active: inout [UInt16: BootProgram]
  ) {
    let name = variable.key.name.description
    do {
      guard case .loadOption(let option) = try VariableValue(of: variable) else { return }
      guard let path = option.paths.first, let drive = path.nodes.lazy.compactMap(\.hardDrive).first else {
        return
      }
      switch Self.program(at: path, drive, on: disk) {
      case .success(let program):
        good.append(number)
        if option.attributes.contains(.active) { active[number] = program }
      case .failure(let problem):
        problems.append("\(name) (\(printable(option.description))) \(problem.reason)")
      }
    } catch {
      problems.append("\(name) is malformed \(error)")
    }
  }

  /// Why an entry starts nothing.
  private struct Problem: Error {
    var reason: String
  }

  private static func program(
    at path: DevicePath, _ drive: DevicePathNode.HardDrive, on disk: BootDisk
  ) -> Result<BootProgram, Problem> {
    func problem(_ reason: String) -> Result<BootProgram, Problem> { .failure(Problem(reason: reason)) }
    let node = DevicePathNode.hardDrive(drive).description
    guard
      let partition = disk.partitions.first(where: { $0.signature == drive.signature && matches($0, drive) })
    else { return problem("names \(node), and the disk has no such partition") }
    // bootctl counts in 512 bytes on every disk (seen with systemd 252): the signature is what identifies a partition.
    let isPlace = [1, disk.sectorSize / 512].contains { unit in
      (partition.start * unit, partition.size * unit) == (drive.start, drive.size)
    }
    guard isPlace else {
      return problem(
        "names \(node), and that partition has \(partition.size) sectors from \(partition.start)")
    }
    let files = path.nodes.compactMap { if case .file(let file) = $0 { file } else { nil } }
    // One path may be cut into several nodes (UEFI 2.10, 10.3.5.4).
    var file = files.joined(separator: #"\"#).split(separator: #"\"#).joined(separator: #"\"#)
    file = #"\"# + file
    if files.isEmpty { file = Architecture.current.fallbackLoader }
    guard partition.files != nil else {
      return problem("names partition \(partition.number), which has no FAT filesystem that can be read")
    }
    guard partition.has(file) else {
      return problem("names \(printable(file)), and partition \(partition.number) has no such file")
    }
    return .success(BootProgram(partition: partition.number, path: file))
  }

  /// All partitions of an MBR have the disk's signature.
  private static func matches(_ partition: BootDisk.Partition, _ drive: DevicePathNode.HardDrive) -> Bool {
    if case .gpt = drive.signature { return true }
    return partition.number == drive.partition
  }

  private mutating func checkReferences(
    in store: VariableStore, to numbers: Set<UInt16>, _ active: [UInt16: BootProgram]
  ) {
    do {
      for number in try store.bootOrder() where !numbers.contains(number) {
        problems.append("BootOrder lists \(VariableKey.fourDigits(number)), and there is no such entry")
      }
      started = try store.bootOrder().filter { active[$0] != nil }
      programs = started.compactMap { active[$0] }
    } catch {
      problems.append("BootOrder is malformed \(error)")
    }
    guard let next = store[.bootNext] else { return }
    do {
      guard case .number(let number) = try VariableValue(of: next), !numbers.contains(number) else { return }
      problems.append("BootNext is \(VariableKey.fourDigits(number)), and there is no such entry")
    } catch {
      problems.append("BootNext is malformed \(error)")
    }
  }
}

extension DevicePathNode {
  /// The partition; nil for other nodes.
  fileprivate var hardDrive: HardDrive? {
    if case .hardDrive(let drive) = self { drive } else { nil }
  }
}

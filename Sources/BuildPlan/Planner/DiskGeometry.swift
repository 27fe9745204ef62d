internal import ImageModel

/// Where the parts of make-disk-image's layouts lie, in bytes.
struct DiskGeometry {
  /// A partition in front of the root.
  struct Part {
    var name: String
    var type: PartitionType
    var start: UInt64
    var end: UInt64
    /// Where a system mounts it; nil for a part without a filesystem.
    var mountPoint: String?

    var size: ByteSize { ByteSize(bytes: end - start) }
  }

  static let sectorSize: UInt64 = 512
  static let espStart: UInt64 = 8 << 20
  /// Where the ESP of `efixbootldr` ends.
  static let xbootldrStart: UInt64 = 100 << 20
  static let alignment: UInt64 = 1 << 20

  let table: TableFormat
  /// In the order of their numbers; the root follows.
  let parts: [Part]
  /// Where the root begins.
  let rootStart: UInt64
  /// What a backup table takes behind the root: 33 sectors, and a whole MiB keeps the root's end aligned.
  let tail: UInt64

  init(_ layout: PartitionTable, bootSize: ByteSize) {
    let esp = Part(
      name: "ESP", type: .efiSystem, start: Self.espStart, end: bootSize.bytes, mountPoint: "/boot")
    switch layout {
    case .none:
      self.init(.none, [], rootStart: 0)
    case .legacy:
      self.init(.mbr, [], rootStart: 1 << 20)
    case .legacyGPT:
      let second = Part(name: "no-fs", type: .biosBoot, start: 1 << 20, end: 2 << 20)
      self.init(.gpt, [second], rootStart: second.end)
    case .efi:
      self.init(.gpt, [esp], rootStart: esp.end)
    case .efixbootldr:
      let small = Part(
        name: "ESP", type: .efiSystem, start: Self.espStart, end: Self.xbootldrStart,
        mountPoint: "/efi")
      let boot = Part(
        name: "BOOT", type: .extendedBoot, start: small.end, end: bootSize.bytes,
        mountPoint: "/boot")
      self.init(.gpt, [small, boot], rootStart: boot.end)
    case .hybrid:
      // Behind the table's 34 sectors, where make-disk-image has it.
      let second = Part(name: "no-fs", type: .biosBoot, start: 34 * Self.sectorSize, end: 1 << 20)
      self.init(.gpt, [esp, second], rootStart: esp.end)
    }
  }

  private init(_ table: TableFormat, _ parts: [Part], rootStart: UInt64) {
    self.table = table
    self.parts = parts
    self.rootStart = rootStart
    tail = table == .gpt ? 1 << 20 : 0
  }

  /// What is not the root's.
  var overhead: UInt64 { rootStart + tail }

  /// What is left for the root on a disk of that size; nil when nothing is.
  func root(onDiskOf size: ByteSize) -> ByteSize? {
    let whole = size.bytes / Self.alignment * Self.alignment
    return whole > overhead ? ByteSize(bytes: whole - overhead) : nil
  }
}

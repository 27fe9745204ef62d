internal import AgentProtocol
internal import Basics
internal import CLinux
internal import Glibc
internal import ImageModel

extension StepContext {
  /// Writes what was installed onto a disk of its own. Nothing is unmounted: what is on the target's disk by then does not
  /// matter any more.
  func handOver(to disk: BlockDevice, trees: [HandedTree], regions: [DiskRegion], kept: [String]) async throws
  {
    try await onThread {
      _ = try endInstallation(kept: kept)
      let writer = try HandoverWriter(devices.device(disk).node)
      for (number, tree) in zip(UInt32(0)..., trees) {
        var record = [Handover.Kind.tree.rawValue]
        record.append(littleEndian: number)
        try writer.add(record)
        try withBareMount(of: tree.mountPoint == "/" ? root : root + tree.mountPoint) {
          try handOver($0, poured: tree.poured, to: writer)
        }
      }
      for (number, region) in zip(UInt32(0)..., regions) { try add(region, number: number, to: writer) }
      try writer.add([Handover.Kind.end.rawValue])
      try writer.finish()
    }
  }

  private func handOver(_ place: String, poured: [Int64], to writer: HandoverWriter) throws {
    guard !poured.isEmpty, let entry = try Mounts.all(atAndBelow: place).last else {
      return try HandoverTree(writer: writer, poured: poured).run(from: place)
    }
    // So that its inodes are the same on the device as in memory.
    try writeBack(place)
    let device = try Files.open(entry.source, O_RDONLY)
    defer { close(device) }
    let size = try checked("find the size of \(entry.source)") { lseek(device, 0, SEEK_END) }
    let disk = ImageBytes(size: UInt64(size)) { count, offset in
      try [UInt8](unsafeUninitializedCapacity: count) { buffer, read in
        read = try checked("read \(entry.source)") {
          pread(device, buffer.baseAddress, count, off_t(clamping: offset))
        }
      }
    }
    try HandoverTree(writer: writer, poured: poured, disk: disk).run(from: place)
  }

  /// Shows a filesystem without those that are mounted on it.
  private func withBareMount(of place: String, _ body: (String) throws -> Void) throws {
    let bare = "/run/slipway-handover"
    try Mounts.require(place)
    try Files.makeDirectories(bare, below: "")
    try Mounts.mount(place, on: bare, type: "", options: .bind)
    defer { try? Mounts.unmount(bare) }
    try body(bare)
  }

  private func add(_ region: DiskRegion, number: UInt32, to writer: HandoverWriter) throws {
    let node = try devices.device(region.device).node
    let disk = try devices.device(.disk(serial: region.device.serial)).node
    // A disk and its partitions have caches of their own: what was written to either is read from the disk.
    for node in Set([node, disk]) {
      let file = try Files.open(node, O_RDONLY)
      defer { close(file) }
      try checked("flush \(node)") { fsync(file) }
      try checked("drop the cached blocks of \(node)") { ioctl(file, UInt(slipway_BLKFLSBUF), 0) }
    }
    let file = try Files.open(node, O_RDONLY)
    defer { close(file) }
    var record = [Handover.Kind.region.rawValue]
    record.append(littleEndian: number)
    record.append(littleEndian: region.length.bytes)
    try writer.add(record)
    try writer.add(from: file, at: region.offset.bytes, length: region.length.bytes, named: node)
  }
}

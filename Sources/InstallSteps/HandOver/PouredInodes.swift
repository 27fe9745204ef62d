internal import Basics
internal import Glibc
internal import ImageModel
internal import ImageReading

/// Tells from the inode tables of a poured ext4 filesystem which files are as the host has poured them.
///
/// To ask the kernel for each file of a closure takes an emulated guest longer than all that is handed over. The host gives
/// inodes their numbers in the order of the tree, so those of one store object are a range, and its bytes are read at once.
///
/// The kernel keeps the tables in the cache of the block device, which programs that read the device are given, too. What it
/// writes there with a delay (`lazytime`) is there once the filesystem was written back.
struct PouredInodes {
  private let filesystem: Ext4Filesystem
  private let disk: ImageBytes
  private let times: Set<Int64>
  /// Inodes at which something else begins, in ascending order.
  private var bounds: [UInt64] = []

  /// Inodes that are read at once.
  private static let piece: UInt64 = 4096

  /// - Parameters:
  ///   - disk: the filesystem, from its first byte on.
  ///   - times: the change times of what was poured, in seconds since 1970.
  /// - Throws: `UnreadableStructure` for what is not an ext4 filesystem whose inodes have nanoseconds.
  init(_ disk: ImageBytes, times: [Int64]) throws {
    filesystem = try Ext4Filesystem(disk)
    guard filesystem.inodeSize >= 256 else { throw UnreadableStructure("its inodes have no nanoseconds") }
    self.disk = disk
    self.times = Set(times)
  }

  /// Takes the inodes of a directory's entries: each begins a file or a tree that was poured, or is none of it.
  mutating func addBounds(_ inodes: [UInt64]) {
    bounds = (bounds + inodes).sorted()
  }

  /// Whether a tree is as it was poured, from its topmost inode to the last: what was added to it or taken from it has
  /// changed a directory of it.
  ///
  /// - Returns: false as well where it cannot be told.
  func isUntouched(treeAt inode: UInt64) -> Bool {
    var (low, high) = (0, bounds.count)
    while low < high {
      let middle = (low + high) / 2
      if bounds[middle] > inode { high = middle } else { low = middle + 1 }
    }
    guard low < bounds.count else { return false }
    return (try? areUntouched(inode..<bounds[low])) ?? false
  }

  private func areUntouched(_ inodes: Range<UInt64>) throws -> Bool {
    var first = inodes.lowerBound
    while first < inodes.upperBound {
      let place = try filesystem.place(ofInodes: first..<min(inodes.upperBound, first + Self.piece))
      let bytes = try disk.all(place.count, at: place.lowerBound)
      guard areUntouched(in: bytes) else { return false }
      first += UInt64(place.count) / filesystem.inodeSize
    }
    return true
  }

  private func areUntouched(in table: [UInt8]) -> Bool {
    table.withUnsafeBytes { table in
      stride(from: 0, to: table.count, by: Int(filesystem.inodeSize)).allSatisfy { inode in
        let low = UInt32(littleEndian: table.loadUnaligned(fromByteOffset: inode + 0x0c, as: UInt32.self))
        let extra = UInt32(littleEndian: table.loadUnaligned(fromByteOffset: inode + 0x84, as: UInt32.self))
        let seconds = Int64(Int32(bitPattern: low)) + Int64(extra & 3) << 32
        return extra >> 2 == 0 && times.contains(seconds)
      }
    }
  }
}

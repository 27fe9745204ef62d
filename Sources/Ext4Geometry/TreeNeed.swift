package import ImageModel

/// What a tree takes of a filesystem, whatever the filesystem's size.
package struct TreeNeed: Hashable, Sendable {
  /// Blocks of content, of directories, of extent trees, of long links and of extended attributes.
  package var blocks: UInt64
  /// Inodes, the eleven that every filesystem has included.
  package var inodes: UInt64

  package init(blocks: UInt64, inodes: UInt64) {
    self.blocks = blocks
    self.inodes = inodes
  }

  /// The smallest filesystem in which, with this tree, root still has `room` bytes and `inodes` more inodes.
  ///
  /// The room is what statfs(2) shows: `f_bavail` and the blocks reserved for root. In steps of 1 MiB.
  ///
  /// - Parameters:
  ///   - room: bytes for the future.
  ///   - more: inodes for the future, at least; there are never fewer than one per 16 KiB of room.
  /// - Returns: the size, and the inodes to ask for; nil when it would be beyond 16 TiB.
  package func filesystem(room: ByteSize, inodes more: UInt64 = 0) -> (size: ByteSize, inodes: UInt64)? {
    let blockSize = UInt64(Ext4Format.blockSize)
    let inodes = inodes + max(more, room.bytes / 16384)
    let step = Self.step / blockSize
    func suits(_ steps: UInt64) -> Bool {
      fits(ByteSize(bytes: steps * Self.step), room: room, inodes: inodes)
    }
    var low = (blocks + room.bytes.dividedRoundingUp(by: blockSize)) / step
    var high = low + 1
    while !suits(high) {
      low = high
      high += high / 8 + 16
      guard high * step <= Ext4Format.blockLimits.upperBound else { return nil }
    }
    while high - low > 1 {
      let middle = low + (high - low) / 2
      if suits(middle) { high = middle } else { low = middle }
    }
    return (ByteSize(bytes: high * Self.step), inodes)
  }

  /// Sizes are tried in steps of so many bytes.
  private static let step: UInt64 = 1 << 20

  /// Whether the tree, and `room` bytes for root, are in a filesystem of that size and number of inodes.
  ///
  /// A larger filesystem need not do what a smaller one does: the journal grows in leaps.
  package func fits(_ size: ByteSize, room: ByteSize, inodes: UInt64) -> Bool {
    let blockSize = UInt64(Ext4Format.blockSize)
    let geometry = Geometry(blocks: size.bytes / blockSize, inodes: inodes)
    return geometry?.available(after: self).map { $0 * blockSize >= room.bytes } ?? false
  }
}

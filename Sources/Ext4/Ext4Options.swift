internal import Basics
internal import Ext4Geometry
package import ImageModel

/// One ext4 filesystem to be: everything that mke2fs would take from options, chance or the clock.
package struct Ext4Options: Hashable, Sendable {
  package static let blockSize = Ext4Format.blockSize
  static let blockLimits = Ext4Format.blockLimits

  /// Room for the whole filesystem; what exceeds a multiple of the block size stays unused.
  package var size: ByteSize
  /// Where the filesystem begins in the file.
  package var offset: ByteSize
  /// The filesystem's UUID, which also seeds the metadata checksums.
  package var uuid: GUID
  /// Seeds the hashes of directory entries, and so the order in which they are listed.
  package var hashSeed: GUID
  /// The label; 16 bytes at most.
  package var label: String
  /// The time of everything that no node gives one: the superblock, the journal, `lost+found`, and the
  /// creation of each inode. Seconds since 1970, not 0, which libext2fs takes for "now".
  package var time: UInt32
  /// How many inodes there are, at least; nil gives one per 16 KiB, as `mke2fs` does.
  package var inodes: UInt64?
  /// Blocks in a hundred that only root may fill.
  package var reservedPercent: UInt64
  /// Whether files of the host share their blocks with the image where they can. It does not change a byte of it.
  package var sharesBlocks: Bool

  package init(
    size: ByteSize, offset: ByteSize = ByteSize(bytes: 0), uuid: GUID, hashSeed: GUID, label: String = "",
    time: UInt32 = 1, inodes: UInt64? = nil, reservedPercent: UInt64 = 5,
    sharesBlocks: Bool = true
  ) {
    self.size = size
    self.offset = offset
    self.uuid = uuid
    self.hashSeed = hashSeed
    self.label = label
    self.time = time
    self.inodes = inodes
    self.reservedPercent = reservedPercent
    self.sharesBlocks = sharesBlocks
  }

  /// The blocks asked for. libext2fs drops a last group that is too small to be of use.
  var blocks: UInt64 { size.bytes / UInt64(Self.blockSize) }

  /// The inodes asked for.
  var wantedInodes: UInt64 { inodes ?? max(blocks * UInt64(Self.blockSize) / 16384, 16) }

  /// Throws `Fault` for what the format cannot hold.
  func check() throws(Fault) {
    func require(_ condition: Bool, _ reason: @autoclosure () -> String) throws(Fault) {
      guard condition else { throw .options(reason()) }
    }
    let limits = Self.blockLimits
    try require(blocks >= limits.lowerBound, "\(size) are too few; the smallest filesystem has 256 KiB")
    try require(blocks <= limits.upperBound, "\(size) are more than the 16 TiB that can grow online")
    try require(
      label.utf8.count <= FilesystemKind.ext4.labelLimit,
      "the label '\(label)' is longer than \(FilesystemKind.ext4.labelLimit) bytes")
    try require(time > 0, "its time is 0, which libext2fs takes for the time of the build; use 1 or later")
    try require(reservedPercent <= 50, "\(reservedPercent) % reserved for root are more than half")
    try require(
      wantedInodes <= UInt64(UInt32.max), "\(wantedInodes) inodes are more than the format can number")
  }
}

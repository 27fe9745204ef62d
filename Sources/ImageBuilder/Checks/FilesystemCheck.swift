internal import BuildPlan
internal import ImageModel
internal import SystemPackage

/// Each filesystem still begins as what it was made: without a table nothing else tells that a disk was written over.
struct FilesystemCheck: SealedDiskCheck {
  /// What a filesystem's first block has, by which others know it: libblkid's table of them.
  private struct Signature {
    var offset: Int
    var magic: [UInt8]
    /// Where its UUID is; nil where it has none of 16 bytes.
    var uuid: Int?
  }

  private static func signature(of kind: FilesystemKind) -> Signature? {
    switch kind {
    case .ext2, .ext3, .ext4: Signature(offset: 0x438, magic: [0x53, 0xef], uuid: 0x468)
    case .xfs: Signature(offset: 0, magic: Array("XFSB".utf8), uuid: 32)
    case .btrfs: Signature(offset: 0x10040, magic: Array("_BHRfS_M".utf8), uuid: 0x10020)
    case .f2fs: Signature(offset: 0x400, magic: [0x10, 0x20, 0xf5, 0xf2], uuid: nil)
    case .vfat: Signature(offset: 510, magic: [0x55, 0xaa], uuid: nil)
    default: nil
    }
  }

  func run(on disk: SealedDisk, warn: (String) -> Void) throws {
    let layout = disk.plan.disk
    try DiskFile.with(disk.path) { file in
      for partition in layout.partitions {
        guard let filesystem = partition.filesystem, let signature = Self.signature(of: filesystem.kind)
        else {
          continue
        }
        let start = partition.start * layout.sectorSize
        let magic = try file.bytes(signature.magic.count, at: start + UInt64(signature.offset))
        let uuid = try signature.uuid.map { try file.bytes(16, at: start + UInt64($0)) }
        guard magic == signature.magic, uuid == nil || uuid == filesystem.uuid?.bytes else {
          let place = partition.number == 0 ? "the disk" : "partition \(partition.number)"
          throw BuildError(
            .failed, "\(place) no longer has the \(filesystem.kind.rawValue) filesystem that was made on it",
            remedy: "See what the system's bootloader and postInstall write to the disk")
        }
      }
    }
  }
}

internal import Basics
internal import BuildPlan
internal import ImageModel
internal import SystemPackage

/// Each filesystem still begins as what it was made: without a table nothing else tells that a disk was written over.
struct FilesystemCheck: SealedDiskCheck {
  func run(on disk: SealedDisk, warn: (String) -> Void) throws {
    let layout = disk.layout
    try DiskFile.with(disk.path) { file in
      for partition in layout.partitions {
        guard let filesystem = partition.filesystem, let signature = filesystem.kind.signature
        else {
          continue
        }
        let start = partition.start * layout.sectorSize
        let magic = try file.bytes(signature.magic.count, at: start + UInt64(signature.offset))
        let uuid = try signature.uuid.map { try file.bytes(16, at: start + UInt64($0)) }
        guard magic == signature.magic, uuid == nil || uuid == filesystem.uuid?.bytes else {
          let place = partition.number == 0 ? "the disk" : "partition \(partition.number)"
          throw Fault(
            .failed, "\(place) no longer has the \(filesystem.kind.rawValue) filesystem that was made on it",
            remedy: "See what the system's bootloader and postInstall write to the disk")
        }
      }
    }
  }
}

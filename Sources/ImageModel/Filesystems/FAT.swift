extension FilesystemKind {
  /// FAT, for boot partitions.
  public static let vfat = FilesystemKind("vfat")
}

extension FilesystemTraits {
  static let fat = FilesystemTraits(
    kind: .vfat,
    // the 8.3 name of the label's directory entry
    labelLimit: 11, least: .mebibytes(1), hasVolumeID: true,
    programs: [FilesystemProgram(name: "mkfs.fat", debianPackage: "dosfstools", aliases: ["mkfs.vfat"])],
    driver: "vfat", names: FilesystemNames(isFAT: true),
    signature: FilesystemSignature(offset: 510, magic: [0x55, 0xaa], uuid: nil),
    use: .writable(
      WritableFilesystem(
        arguments: {
          ["--invariant"] + $0.flag("-i", $0.uuid.map { String("\($0)".prefix(8)) })
            + $0.flag("-n", $0.label) + geometry(size: $0.size, sectorSize: $0.sectorSize)
        },
        // FAT stores no modes, so this leaves no trace in the image; but bootctl warns of a random seed that others
        // could read, and nobody but root works in the guest.
        mountData: "umask=0077,utf8")))

  /// Nothing where mkfs.fat chooses.
  private static func geometry(size: UInt64, sectorSize: UInt64) -> [String] {
    guard let layout = FATLayout(size: size, sectorSize: sectorSize) else { return [] }
    return ["-F", "32", "-s", String(layout.clusterSize / sectorSize)]
  }
}

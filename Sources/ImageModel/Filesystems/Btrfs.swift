extension FilesystemKind {
  /// Btrfs.
  public static let btrfs = FilesystemKind("btrfs")
}

extension FilesystemTraits {
  static let btrfs = FilesystemTraits(
    kind: .btrfs,
    // BTRFS_LABEL_SIZE less its NUL
    labelLimit: 255, least: .mebibytes(110),
    programs: [FilesystemProgram(name: "mkfs.btrfs", debianPackage: "btrfs-progs")],
    driver: "btrfs", helperModules: ["xxhash_generic", "blake2b_generic", "sha256_generic"],
    signature: FilesystemSignature(offset: 0x10040, magic: Array("_BHRfS_M".utf8), uuid: 0x10020),
    use: .writable(
      WritableFilesystem(
        arguments: {
          ["-q", "-f", "-K"] + $0.flag("-U", $0.uuid?.description) + $0.flag("-L", $0.label)
        },
        // mkfs.btrfs 6.2: "A:b:fl:n:s:m:d:L:R:O:r:U:VvMKq"
        grammar: MkfsGrammar(
          "mkfs.btrfs", "AblnsmdLROrU",
          long: [
            "--alloc-start", "--byte-count", "--leafsize", "--nodesize", "--sectorsize", "--metadata",
            "--data", "--label", "--features", "--runtime-features", "--rootdir", "--uuid", "--csum",
            "--checksum",
          ],
          fixed: MkfsGrammar.identity.merging(["-r": "contents", "--rootdir": "contents"]) { $1 },
          idle: ["-V", "--version", "--help"]),
        size: .estimate(size))))

  /// Metadata is kept twice, and chunks are allocated whole: a tenth of the filesystem at a time, 256 MiB at most, or
  /// 1 GiB beyond 50 GiB.
  private static func size(_ root: RootContent) -> UInt64 {
    let bytes = root.data + root.inodes * 2048 + root.tree / 10 + (64 << 20)
    let chunks: UInt64 = bytes > 48 << 30 ? 2 << 30 : 512 << 20
    return bytes + max(320 << 20, min(bytes / 4, chunks))
  }
}

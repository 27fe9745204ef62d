extension FilesystemKind {
  /// The first of the family, made by `mke2fs` and mounted by ext4's driver.
  public static let ext2 = FilesystemKind("ext2")
  /// ext2 with a journal.
  public static let ext3 = FilesystemKind("ext3")
  /// ext3 with extents, which the host can make without a kernel.
  public static let ext4 = FilesystemKind("ext4")
}

extension FilesystemTraits {
  static func ext(_ kind: FilesystemKind) -> FilesystemTraits {
    FilesystemTraits(
      kind: kind,
      // s_volume_name, ext4's struct ext4_super_block
      labelLimit: 16, least: .mebibytes(1),
      programs: [
        FilesystemProgram(
          name: "mke2fs", debianPackage: "e2fsprogs", aliases: ["mkfs.ext2", "mkfs.ext3", "mkfs.ext4"]),
        FilesystemProgram(
          name: "e2fsck", debianPackage: "e2fsprogs", aliases: ["fsck.ext2", "fsck.ext3", "fsck.ext4"]),
      ],
      // It mounts the elder ones, too (CONFIG_EXT4_USE_FOR_EXT2).
      driver: "ext4",
      signature: FilesystemSignature(offset: 0x438, magic: [0x53, 0xef], uuid: 0x468),
      use: .writable(
        WritableFilesystem(
          arguments: arguments, mergedOptions: ["-E"], grammar: grammar,
          size: .inodeTable(hasExtents: kind == .ext4))))
  }

  private static func arguments(_ request: WritableFilesystem.MakeRequest) -> [String] {
    let uuid = request.uuid?.description
    // Without the last, tables are zeroed on a disk of zeros, or left for the kernel to be zeroed later.
    let extended =
      ["nodiscard", "assume_storage_prezeroed=1"] + (uuid.map { ["hash_seed=\($0)"] } ?? [])
      + request.words.values(of: "-E")
    // A number of inodes would go before a user's ratio.
    let inodes = request.words.has("-i", "-N") ? nil : request.inodes
    return ["-q", "-F", "-t", request.kind.rawValue, "-b", "4096", "-E", extended.joined(separator: ",")]
      + request.flag("-N", inodes.map(String.init)) + request.flag("-U", uuid)
      + request.flag("-L", request.label)
  }

  // mke2fs 1.47: "b:cd:e:g:i:jl:m:no:qr:s:t:vC:DE:FG:I:J:KL:M:N:O:R:ST:U:Vz:"
  private static let grammar = MkfsGrammar(
    "mke2fs", "bdegilmorstCEGIJLMNORTUz",
    fixed: MkfsGrammar.identity.merging(
      ["-t": "fsType", "-E:hash_seed": "rootFSUID", "-E:offset": "diskSize", "-d": "contents"]) { $1 },
    idle: ["-n", "-S", "-V"])
}

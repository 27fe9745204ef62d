extension FilesystemKind {
  /// The flash-friendly filesystem.
  public static let f2fs = FilesystemKind("f2fs")
}

extension FilesystemTraits {
  static let f2fs = FilesystemTraits(
    kind: .f2fs,
    // MAX_VOLUME_NAME of f2fs-tools. It takes 52 MiB, most of them for itself.
    labelLimit: 512, least: .mebibytes(64),
    programs: [FilesystemProgram(name: "mkfs.f2fs", debianPackage: "f2fs-tools")],
    driver: "f2fs", helperModules: ["crc32_generic"],
    signature: FilesystemSignature(offset: 0x400, magic: [0x10, 0x20, 0xf5, 0xf2], uuid: nil),
    use: .writable(
      WritableFilesystem(
        // -t 0: no discard; -r: no random start of its checkpoints' numbers.
        arguments: {
          ["-q", "-f", "-t", "0", "-r"] + $0.flag("-U", $0.uuid?.description) + $0.flag("-l", $0.label)
        },
        // mkfs.f2fs 1.15: "qa:c:C:d:e:E:g:hil:mo:O:rR:s:S:z:t:T:U:Vfw:"
        grammar: MkfsGrammar(
          "mkfs.f2fs", "acCdeEgloORsSztTUw",
          fixed: ["-U": "rootFSUID", "-l": "label", "-c": "partitions"], idle: ["-h", "-V"]),
        size: .estimate(size))))

  /// An inode is a block. `mkfs.f2fs` keeps segments back for its cleaning by a rule of its own: measured for 64 MiB to
  /// 64 GiB, they are 4 to 4.4 MiB times the root of the size in MiB. Its own tables take 1 %.
  private static func size(_ root: RootContent) -> UInt64 {
    let bytes = root.data + root.inodes * (4096 + 128) + root.tree / 200 + (32 << 20)
    var size = bytes
    // It converges from below, as the root grows slower than the size.
    for _ in 0..<16 {
      size = bytes + size / 100 + UInt64(Double(size >> 20).squareRoot() * 4.5 * Double(1 << 20))
    }
    return size + (1 << 20)
  }
}

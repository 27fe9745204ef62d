extension FilesystemKind {
  /// XFS.
  public static let xfs = FilesystemKind("xfs")
}

extension FilesystemTraits {
  static let xfs = FilesystemTraits(
    kind: .xfs,
    // XFSLABEL_MAX
    labelLimit: 12, least: .mebibytes(300),
    programs: [FilesystemProgram(name: "mkfs.xfs", debianPackage: "xfsprogs")],
    driver: "xfs", helperModules: ["crc32c-intel"],
    // XFS_SYMLINK_MAXLEN
    names: FilesystemNames(targetLimit: 1023),
    signature: FilesystemSignature(offset: 0, magic: Array("XFSB".utf8), uuid: 32),
    use: .writable(
      WritableFilesystem(
        arguments: {
          ["-q", "-f", "-K"] + $0.flag("-m", $0.uuid.map { "uuid=\($0)" }) + $0.flag("-L", $0.label)
        },
        // mkfs.xfs 6.1: "b:c:d:i:l:L:m:n:KNp:qr:s:CfV"
        grammar: MkfsGrammar(
          "mkfs.xfs", "bcdilLmnprs",
          fixed: [
            "-L": "label", "-m:uuid": "rootFSUID", "-d:name": "fsType", "-d:file": "fsType",
            "-d:size": "diskSize", "-p": "contents",
          ], idle: ["-N", "-V"]),
        // The log takes 64 MiB, and a 2048th of a large filesystem; 1 % is kept for the trees of reference counts.
        size: .estimate { root in
          let bytes = root.data + root.inodes * 1024 + root.tree / 20 + (96 << 20)
          return bytes + bytes / 64
        })))
}

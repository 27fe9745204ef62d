extension FilesystemKind {
  /// Read-only, for Nix stores alone.
  public static let erofs = FilesystemKind("erofs")
}

extension FilesystemTraits {
  static let erofs = FilesystemTraits(
    // It has room for a label, and mkfs.erofs sets it only from version 1.7 on.
    kind: .erofs, labelLimit: 0, least: .mebibytes(0),
    programs: [
      FilesystemProgram(
        name: "mkfs.erofs", isHosts: true, debianPackage: "erofs-utils", need: "a store as erofs")
    ],
    driver: "erofs",
    // mkfs.erofs cuts a name of 255, and does not find the file then.
    names: FilesystemNames(nameLimit: 254),
    // -x-1: no extended attributes, which are the host's. Compression is off: reading is what such a store is for.
    use: .readOnly { folder, image, uuid in
      ["--quiet", "-T1", "--all-root", "-x-1", "-U", uuid.description, image, folder]
    })
}

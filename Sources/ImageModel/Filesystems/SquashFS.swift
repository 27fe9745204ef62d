extension FilesystemKind {
  /// Read-only and compressed, for Nix stores alone.
  public static let squashfs = FilesystemKind("squashfs")
}

extension FilesystemTraits {
  static let squashfs = FilesystemTraits(
    kind: .squashfs, labelLimit: 0, least: .mebibytes(0), takesUUID: false,
    programs: [
      FilesystemProgram(
        name: "mksquashfs", isHosts: true, debianPackage: "squashfs-tools", nixPackage: "squashfsTools",
        need: "a store as squashfs", versionArgument: "-version")
    ],
    driver: "squashfs",
    // Errors that it would only warn of, and replace by empty files, end it. Nothing of the host shows: no owners, no
    // labels, no times.
    use: .readOnly { folder, image, _ in
      [
        folder, image, "-exit-on-error", "-noappend", "-no-progress", "-quiet", "-comp", "zstd", "-all-root",
        "-no-xattrs", "-all-time", "1", "-mkfs-time", "1", "-root-time", "1", "-root-mode", "0755",
      ]
    })
}

extension FilesystemKind {
  /// Not a filesystem: room for the kernel to move memory to.
  public static let swap = FilesystemKind("swap")
}

extension FilesystemTraits {
  static let swap = FilesystemTraits(
    kind: .swap,
    // volume_name of the kernel's union swap_header
    labelLimit: 16, least: .mebibytes(1),
    programs: [FilesystemProgram(name: "mkswap", debianPackage: "util-linux")],
    use: .swap(
      WritableFilesystem(arguments: { $0.flag("-U", $0.uuid?.description) + $0.flag("-L", $0.label) })))
}

/// Something that holds of every disk that is exported: a type in a file of its own, and a line in the list.
protocol SealedDiskCheck: Sendable {
  /// - Parameter warn: is told what a user should know and does not stop the build.
  /// - Throws: `Fault` when it does not hold.
  func run(on disk: SealedDisk, warn: (String) -> Void) async throws
}

extension SealedDisk {
  /// In an order in which the cause comes before what follows from it.
  static let checks: [any SealedDiskCheck] = [
    PartitionTableCheck(),
    FilesystemCheck(),
    BootEntryCheck(),
    BlockListCheck(),
    LoaderCheck(),
    SignatureCheck(),
  ]

  /// Runs the checks.
  ///
  /// - Throws: the first problem, as `Fault`.
  func check(_ checks: [any SealedDiskCheck] = checks, warn: (String) -> Void) async throws {
    for check in checks { try await check.run(on: self, warn: warn) }
  }
}

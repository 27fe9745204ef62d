internal import Basics
internal import SystemPackage

extension Closure {
  /// What every NixOS system has and an installation uses, relative to the toplevel.
  private static let systemEntries = ["init", "kernel", "activate"]
  /// What makes a system bootable: its program, and what that reads.
  private static let switcher = "bin/switch-to-configuration"
  private static let bootSpecification = "boot.json"
  /// Systems before 23.05 have no boot specification, and their bootloaders' programs need none.
  private static let firstWithBootSpecification = 23.05

  /// Checks on the host, before any machine starts, that the closure is complete and that its trees are
  /// whole.
  ///
  /// The contents are not hashed: a tree's archive length follows from sizes and names alone, so a truncated
  /// file or a missing entry shows, and a flipped bit does not.
  ///
  /// - Parameters:
  ///   - store: where the trees are.
  ///   - system: the toplevel.
  ///   - installsBootLoader: whether the system must be able to install its bootloader, with
  ///     `bin/switch-to-configuration` and the boot specification `boot.json` (NixOS RFC 125).
  /// - Throws: `InvalidClosure` with every problem found; `CancellationError`.
  package func check(
    in store: StoreLocation, system: StorePath, installsBootLoader: Bool = true
  ) async throws {
    try await onThread {
      var problems = try damage(in: store)
      if !paths.contains(where: { $0.path == system }) {
        problems.append(
          StoreError(
            .incompleteClosure, attempt: "install \(system)", reason: "it is not in the closure",
            remedy: "Give a closureInfo folder made from this system."))
      }
      problems += missingEntries(of: system, installsBootLoader: installsBootLoader, in: store)
      guard problems.isEmpty else { throw InvalidClosure(problems: problems) }
    }
  }

  /// What is wrong with the closure, whatever it is a closure of.
  ///
  /// - Throws: `CancellationError`.
  func damage(in store: StoreLocation) throws -> [StoreError] {
    var problems = danglingReferences()
    for info in paths {
      do {
        try info.checkSize(in: store)
      } catch let error as StoreError {
        problems.append(error)
      }
    }
    return problems
  }

  private func danglingReferences() -> [StoreError] {
    let known = Set(paths.map(\.path))
    return paths.flatMap { info in
      info.references.filter { !known.contains($0) }.map { reference in
        StoreError(
          .incompleteClosure, attempt: "install \(info.path)",
          reason: "it refers to \(reference), which is not in the closure",
          remedy: "Run: nix-store --realise \(info.path) \(reference)")
      }
    }
  }

  private func missingEntries(
    of system: StorePath, installsBootLoader: Bool, in store: StoreLocation
  ) -> [StoreError] {
    let toplevel = FilePath(system.path)
    // A toplevel that is missing altogether is a problem of its own.
    guard store.exists(toplevel) else { return [] }
    func isMissing(_ entry: String) -> Bool { !store.exists(toplevel.pushing(FilePath(entry))) }
    var problems = Self.systemEntries.filter(isMissing).map { entry in
      StoreError(
        .notASystem, attempt: "install \(system)",
        reason: "it has no '\(entry)', or a link that leads nowhere",
        remedy: "Give the toplevel of a NixOS system, 'config.system.build.toplevel'.")
    }
    // What is no system at all has no program for it either, and one cause is enough.
    if installsBootLoader, problems.isEmpty, isMissing(Self.switcher) {
      problems.append(
        StoreError(
          .notASystem, attempt: "install the bootloader of \(system)",
          reason: "it has no '\(Self.switcher)', like every system with system.switch.enable = false",
          remedy: "Set system.switch.enable to true, or installBootLoader to false."))
    }
    if installsBootLoader, isMissing(Self.bootSpecification), needsBootSpecification(system, in: store) {
      problems.append(
        StoreError(
          .notASystem, attempt: "install \(system)",
          reason: "it has no '\(Self.bootSpecification)', and bootloaders make no entry for such a system",
          remedy: "Set boot.bootspec.enable to true in its configuration."))
    }
    return problems
  }

  /// Whether the toplevel's `nixos-version` tells a release of which every system has a boot specification.
  private func needsBootSpecification(_ system: StorePath, in store: StoreLocation) -> Bool {
    let file = store.file(of: system).appending("nixos-version")
    guard let text = try? WholeFile.read(file, limit: 4096),
      let release = Double(String(decoding: text.prefix(5), as: UTF8.self))
    else { return false }
    return release >= Self.firstWithBootSpecification
  }
}

extension StorePathInfo {
  fileprivate func checkSize(in store: StoreLocation) throws {
    let size: UInt64
    do {
      size = try ArchiveSize.of(store.file(of: path))
    } catch let failure as ArchiveSize.Failure {
      throw problem(failure)
    }
    guard size == narSize else {
      throw StoreError(
        .damaged, attempt: "install \(path)",
        reason:
          "its archive would have \(size) bytes, and \(narSize) are registered: it was modified",
        remedy: "Run: nix-store --repair-path \(path)")
    }
  }

  private func problem(_ failure: ArchiveSize.Failure) -> StoreError {
    let attempt = "install \(path)"
    switch failure {
    case .unreadable(let file, .noSuchFileOrDirectory):
      return StoreError(
        .missing, attempt: attempt, reason: "'\(file)' does not exist",
        remedy: "Run: nix-store --verify --check-contents --repair")
    case .unreadable(let file, let error):
      return StoreError(
        .missing, attempt: attempt, reason: "'\(file)' cannot be looked at: \(error)",
        remedy: "Make it readable for this user, or run: nix-store --verify --check-contents --repair")
    case .neitherFileNorFolderNorLink(let file):
      return StoreError(
        .damaged, attempt: attempt, reason: "'\(file)' is neither a file nor a folder nor a link",
        remedy: "Run: nix-store --repair-path \(path)")
    }
  }
}

internal import SystemPackage
internal import Threads

extension Closure {
  /// What every NixOS system has and an installation uses, relative to the toplevel.
  package static let systemEntries = ["init", "kernel", "activate", "bin/switch-to-configuration"]

  /// Checks on the host, before any machine starts, that the closure is complete and that its trees are
  /// whole.
  ///
  /// The contents are not hashed: a tree's archive length follows from sizes and names alone, so a truncated
  /// file or a missing entry shows, and a flipped bit does not.
  ///
  /// - Parameters:
  ///   - store: where the trees are.
  ///   - system: the toplevel.
  ///   - entries: what the toplevel must have, relative to it; links must lead somewhere.
  /// - Throws: `InvalidClosure` with every problem found.
  package func check(
    in store: StoreLocation, system: StorePath, entries: [String] = Closure.systemEntries
  ) async throws {
    try await onThread {
      var problems = danglingReferences()
      if !paths.contains(where: { $0.path == system }) {
        problems.append(
          StoreError(
            .incompleteClosure, attempt: "install \(system)", reason: "it is not in the closure",
            remedy: "Give a closureInfo folder made from this system."))
      }
      for info in paths {
        do throws(StoreError) {
          try info.checkSize(in: store)
        } catch {
          problems.append(error)
        }
      }
      problems += missingEntries(of: system, entries, in: store)
      guard problems.isEmpty else { throw InvalidClosure(problems: problems) }
    }
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
    of system: StorePath, _ entries: [String], in store: StoreLocation
  ) -> [StoreError] {
    let toplevel = FilePath(system.path)
    // A toplevel that is missing altogether is a problem of its own.
    guard store.exists(toplevel) else { return [] }
    return entries.filter { !store.exists(toplevel.pushing(FilePath($0))) }.map { entry in
      StoreError(
        .notASystem, attempt: "install \(system)",
        reason: "it has no '\(entry)', or a link that leads nowhere",
        remedy: "Give the toplevel of a NixOS system, 'config.system.build.toplevel'.")
    }
  }
}

extension StorePathInfo {
  fileprivate func checkSize(in store: StoreLocation) throws(StoreError) {
    let size: UInt64
    do {
      size = try ArchiveSize.of(store.file(of: path))
    } catch {
      throw problem(error)
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

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
  ///   - systems: the toplevels.
  ///   - installsBootLoader: whether each system must be able to install its bootloader, with
  ///     `bin/switch-to-configuration` and the boot specification `boot.json` (NixOS RFC 125).
  /// - Throws: `Fault` with every problem found, so that one run shows all of them; `CancellationError`.
  package func check(
    in store: StoreLocation, systems: [StorePath], installsBootLoader: Bool = true
  ) async throws {
    let found = try await onThread {
      try problems(in: store, systems: systems, installsBootLoader: installsBootLoader)
    }
    if let fault = Self.fault(of: found) { throw fault }
  }

  /// The first ten problems in full, each with what to do on a line of its own, and the number of the others; nil where
  /// there are none.
  static func fault(of problems: [Fault]) -> Fault? {
    let lines = problems.prefix(10).flatMap { [$0.message] + ($0.remedy.map { ["  " + $0] } ?? []) }
    guard let first = lines.first else { return nil }
    let hidden = problems.count - 10
    return Fault(
      .badInput, "the closure cannot be installed", cause: first,
      evidence: lines.dropFirst() + (hidden > 0 ? ["… and \(hidden) more problems"] : []))
  }

  func problems(in store: StoreLocation, systems: [StorePath], installsBootLoader: Bool) throws -> [Fault] {
    let known = Set(paths.map(\.path))
    let absent = systems.filter { !known.contains($0) }.map { system in
      Fault(
        .badInput, "cannot install \(system)", cause: "it is not in the closure",
        remedy: "Give a closureInfo folder made from this system.")
    }
    return try damage(in: store) + absent
      + systems.flatMap { missingEntries(of: $0, installsBootLoader: installsBootLoader, in: store) }
  }

  /// What is wrong with the closure, whatever it is a closure of.
  ///
  /// - Throws: `CancellationError`.
  func damage(in store: StoreLocation) throws -> [Fault] {
    var problems = danglingReferences()
    for info in paths {
      do {
        try info.checkSize(in: store)
      } catch let error as Fault {
        problems.append(error)
      }
    }
    return problems
  }

  private func danglingReferences() -> [Fault] {
    let known = Set(paths.map(\.path))
    return paths.flatMap { info in
      info.references.filter { !known.contains($0) }.map { reference in
        Fault(
          .badInput, "cannot install \(info.path)",
          cause: "it refers to \(reference), which is not in the closure",
          remedy: "Run: nix-store --realise \(info.path) \(reference)")
      }
    }
  }

  private func missingEntries(
    of system: StorePath, installsBootLoader: Bool, in store: StoreLocation
  ) -> [Fault] {
    let toplevel = FilePath(system.path)
    // A toplevel that is missing altogether is a problem of its own.
    guard store.exists(toplevel) else { return [] }
    func isMissing(_ entry: String) -> Bool { !store.exists(toplevel.pushing(FilePath(entry))) }
    var problems = Self.systemEntries.filter(isMissing).map { entry in
      Fault(
        .badInput, "cannot install \(system)",
        cause: "it has no '\(entry)', or a link that leads nowhere",
        remedy: "Give the toplevel of a NixOS system, 'config.system.build.toplevel'.")
    }
    // What is no system at all has no program for it either, and one cause is enough.
    if installsBootLoader, problems.isEmpty, isMissing(Self.switcher) {
      problems.append(
        Fault(
          .badInput, "cannot install the bootloader of \(system)",
          cause: "it has no '\(Self.switcher)', like every system with system.switch.enable = false",
          remedy: "Set system.switch.enable to true, or installBootLoader to false."))
    }
    if installsBootLoader, isMissing(Self.bootSpecification), needsBootSpecification(system, in: store) {
      problems.append(
        Fault(
          .badInput, "cannot install \(system)",
          cause: "it has no '\(Self.bootSpecification)', and bootloaders make no entry for such a system",
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
    func problem(_ cause: String, _ remedy: String) -> Fault {
      Fault(.badInput, "cannot install \(path)", cause: cause, remedy: remedy)
    }
    let size: UInt64
    do {
      size = try ArchiveSize.of(store.file(of: path))
    } catch ArchiveSize.Failure.unreadable(let file, .noSuchFileOrDirectory) {
      throw problem("'\(file)' does not exist", "Run: nix-store --verify --check-contents --repair")
    } catch ArchiveSize.Failure.unreadable(let file, let error) {
      throw problem(
        "'\(file)' cannot be looked at: \(error)",
        "Make it readable for this user, or run: nix-store --verify --check-contents --repair")
    } catch ArchiveSize.Failure.neitherFileNorFolderNorLink(let file) {
      throw problem(
        "'\(file)' is neither a file nor a folder nor a link", "Run: nix-store --repair-path \(path)")
    }
    guard size == narSize else {
      throw problem(
        "its archive would have \(size) bytes, and \(narSize) are registered: it was modified",
        "Run: nix-store --repair-path \(path)")
    }
  }
}

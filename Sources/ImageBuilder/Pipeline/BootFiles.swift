internal import ImageModel
internal import NixStore
internal import SystemPackage

/// What a bootloader copies to the ESP: the kernel and initrd of each system and of its specialisations.
enum BootFiles {
  /// One of these files.
  struct File: Hashable, Sendable {
    /// The name of the store object that has it.
    var object: String
    /// Its own name.
    var name: String
    /// Its bytes.
    var size: UInt64
  }

  /// The files, each once.
  static func files(of systems: [StorePath], in store: StoreLocation) throws -> [File] {
    let toplevels = systems.map { FilePath($0.path) }.flatMap { toplevel in
      [toplevel] + store.entries(of: toplevel.appending("specialisation"))
    }
    let files = toplevels.flatMap { system in
      ["kernel", "initrd"].compactMap { store.resolved(system.appending($0)) }
    }
    let depth = store.directory.components.count
    return try Set(files).map { file in
      File(
        object: file.components.dropFirst(depth).first?.string ?? "",
        name: file.lastComponent?.string ?? "", size: try HostFiles.size(of: file))
    }
  }

  /// Their bytes.
  static func size(of systems: [StorePath], in store: StoreLocation) throws -> ByteSize {
    try files(of: systems, in: store).reduce(ByteSize(bytes: 0)) { $0 + ByteSize(bytes: $1.size) }
  }
}

internal import ImageModel
internal import NixStore
internal import SystemPackage

/// What a bootloader copies to the ESP: the kernel and initrd of each system and of its specialisations.
enum BootFiles {
  /// Their bytes, each file once.
  static func size(of systems: [StorePath], in store: StoreLocation) throws -> ByteSize {
    let toplevels = systems.map { FilePath($0.path) }.flatMap { toplevel in
      [toplevel] + store.entries(of: toplevel.appending("specialisation"))
    }
    let files = toplevels.flatMap { system in
      ["kernel", "initrd"].compactMap { store.resolved(system.appending($0)) }
    }
    return try Set(files).reduce(ByteSize(bytes: 0)) { sum, file in
      sum + ByteSize(bytes: try HostFiles.size(of: file))
    }
  }
}

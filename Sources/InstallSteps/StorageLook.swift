internal import AgentProtocol
internal import CLinux
internal import Glibc
internal import ImageModel

extension StorageFigures {
  /// Looks at all that is mounted for the target, and at the firmware's variables. Blocks.
  package static func look(root: String) -> StorageFigures {
    var places: [String: Place] = [:]
    for mount in (try? Mounts.all(atAndBelow: root)) ?? [] {
      let path = mount.place == root ? "/" : String(mount.place.dropFirst(root.count))
      // A later mount hides an earlier one.
      places[path] = mount.isStorage(at: path) ? Place(mount, as: path) : nil
    }
    return StorageFigures(
      places: places.values.sorted { $0.path < $1.path }, variables: Variables.look())
  }
}

extension StorageFigures.Place {
  fileprivate init?(_ mount: Mounts.Entry, as path: String) {
    var status = statfs()
    guard slipway_statfs(mount.place, &status) == 0, status.f_blocks > 0 else { return nil }
    // Root may use what ext4 reserves; what other filesystems keep back is for nobody.
    let keepsBlocks = FilesystemKind(rawValue: mount.type)?.hasInodeTable ?? false
    func bytes(_ blocks: UInt) -> ByteSize {
      let (product, overflow) = UInt64(blocks).multipliedReportingOverflow(by: UInt64(max(status.f_bsize, 0)))
      return ByteSize(bytes: overflow ? .max : product)
    }
    self.init(
      path: path, type: mount.type, free: bytes(keepsBlocks ? status.f_bfree : status.f_bavail),
      size: bytes(status.f_blocks), freeInodes: status.f_files > 0 ? UInt64(status.f_ffree) : nil)
  }
}

extension StorageFigures.Variables {
  private static let folder = "/sys/firmware/efi/efivars"
  /// A variable of a kind that Linux lets be removed again (LINUX_EFI_CRASH_GUID, efivar_variable_is_removable).
  private static let probe = "\(folder)/slipway-probe-cfc8fc79-be2e-4ddc-97f0-9f98bfe298a0"
  /// Somewhat more than a boot entry has.
  private static let probeSize = 1024
  /// Of a record in the store of edk2 (`AUTHENTICATED_VARIABLE_HEADER`), in bytes.
  private static let headerSize: UInt64 = 60
  private static let nonVolatile: UInt8 = 1

  /// Nil where no variables are mounted.
  ///
  /// efivarfs tells how much is free from Linux 6.6 on only, so a variable is written and removed. The step has
  /// failed, and what becomes of its store matters to nobody.
  static func look() -> Self? {
    guard (try? Mounts.places(atAndBelow: folder))?.contains(folder) == true else { return nil }
    var found = Self(count: 0, used: ByteSize(bytes: 0), isFull: isFull())
    for name in (try? Files.names(in: folder)) ?? [] {
      guard let size = sizeIfKept("\(folder)/\(name)") else { continue }
      found.count += 1
      // A name in UTF-16, with a NUL, and without the GUID that the file's name has.
      let nameSize = UInt64(max(name.utf16.count - 37, 0) + 1) * 2
      found.used = ByteSize(bytes: found.used.bytes + size + nameSize + headerSize)
    }
    return found
  }

  /// The bytes of a variable that outlives the machine; nil for one that does not, or cannot be read.
  private static func sizeIfKept(_ path: String) -> UInt64? {
    guard let file = try? Files.open(path, O_RDONLY) else { return nil }
    defer { close(file) }
    // Its attributes come first.
    var attributes = [UInt8](repeating: 0, count: 4)
    var status = stat()
    guard read(file, &attributes, 4) == 4, attributes[0] & nonVolatile != 0, fstat(file, &status) == 0
    else { return nil }
    return UInt64(max(status.st_size - 4, 0))
  }

  private static func isFull() -> Bool {
    guard let file = try? Files.open(probe, O_WRONLY | O_CREAT, mode: 0o600) else {
      return errno == ENOSPC
    }
    // Non-volatile, for boot time and run time.
    let bytes: [UInt8] = [7, 0, 0, 0] + Array(repeating: 0x5A, count: probeSize)
    let count = write(file, bytes, bytes.count)
    let code = errno
    close(file)
    unlink(probe)
    return count < 0 && code == ENOSPC
  }
}

internal import Basics
internal import CGuestfs
internal import Glibc
package import SystemPackage

/// A machine of libguestfs's that has disks and reads their filesystems: no code of this process sees what is on them.
package final class Guestfs {
  /// A disk of the machine.
  package struct Disk: Hashable, Sendable {
    /// Its file.
    package var path: FilePath
    /// Its format, by QEMU's name: one whose other files are known to be the caller's.
    package var format: String
    /// Whether its filesystems can be changed.
    package var isWritable: Bool

    package init(_ path: FilePath, format: String = "raw", isWritable: Bool = false) {
      (self.path, self.format, self.isWritable) = (path, format, isWritable)
    }
  }

  /// What a filesystem says of one path.
  package struct Status: Hashable, Sendable {
    package var inode: Int64
    package var mode: Int64
    package var links: Int64
    package var owner: Int64
    package var group: Int64
    package var device: Int64
    package var size: Int64
    /// Seconds since 1970 and nanoseconds.
    package var accessed: [Int64]
    package var modified: [Int64]
    package var changed: [Int64]
  }

  let library: GuestfsLibrary
  let handle: OpaquePointer
  let scratch: FilePath
  /// What is mounted at the root.
  private var mounted: String?

  private init(_ library: GuestfsLibrary, _ handle: OpaquePointer, _ scratch: FilePath) {
    (self.library, self.handle, self.scratch) = (library, handle, scratch)
  }

  /// Runs `body` with a machine that has disks, `/dev/sda` and so on; it is gone afterwards, and what was written is in
  /// their files.
  ///
  /// Blocks, as everything of it does.
  ///
  /// - Parameters:
  ///   - disks: in the order of their names.
  ///   - emulated: whether the processors are emulated, as KVM does not work.
  ///   - scratch: a folder of the caller's, which gets all that libguestfs writes but its appliance: making that takes seconds,
  ///     and libguestfs keeps it where all programs of the user find it.
  /// - Throws: `Fault`; what `body` throws.
  package static func with<Result>(
    disks: [Disk], emulated: Bool, scratch: FilePath, _ body: (Guestfs) throws -> Result
  ) throws -> Result {
    try checkDescriptors()
    let library = try GuestfsLibrary()
    guard let handle = library.create() else {
      throw Fault(.failed, "libguestfs cannot be started")
    }
    defer { library.close(handle) }
    let guest = Guestfs(library, handle, scratch)
    // Errors are thrown, and not printed.
    library.setErrorHandler(handle, nil, nil)
    try guest.check(library.setTmpdir(handle, scratch.string), "be given a folder")
    try guest.check(library.setBackend(handle, "direct"), "be told to run QEMU itself")
    if emulated { try guest.check(library.setBackendSetting(handle, "force_tcg", "1"), "be told to emulate") }
    for disk in disks { try guest.add(disk) }
    try Cancellation.check()
    try guest.check(
      library.launch(handle), "start its machine",
      remedy: "Run libguestfs-test-tool, which says why; the kernels in /boot have to be readable")
    let result = try body(guest)
    if disks.contains(where: \.isWritable) {
      try guest.unmount()
      try guest.check(library.shutdown(handle), "write what was changed")
    }
    return result
  }

  /// libguestfs waits by select(2), and ends its process on a descriptor for which that has no room (`FD_SETSIZE`, 1,024).
  private static func checkDescriptors() throws(Fault) {
    let next = open("/dev/null", O_RDONLY | O_CLOEXEC)
    defer { if next >= 0 { close(next) } }
    guard next < 0 || next >= mostDescriptors else { return }
    throw Fault(
      .hostNotAble, "libguestfs cannot be started", cause: "this process has too many files open",
      remedy: "Do less at the same time")
  }

  /// Leaves it some hundred of its own.
  private static let mostDescriptors: CInt = 800

  private func add(_ disk: Disk) throws(Fault) {
    var options = guestfs_add_drive_opts_argv()
    let result = disk.format.withCString { format in
      options.bitmask =
        1 << UInt64(GUESTFS_ADD_DRIVE_OPTS_READONLY) | 1 << UInt64(GUESTFS_ADD_DRIVE_OPTS_FORMAT)
      options.readonly = disk.isWritable ? 0 : 1
      options.format = format
      return library.addDrive(handle, disk.path.string, &options)
    }
    try check(result, "take the disk \(disk.path)")
  }

  func check(_ result: Int32, _ attempt: String, remedy: String? = nil) throws(Fault) {
    guard result != 0 else { return }
    throw fault(attempt, remedy: remedy)
  }

  func fault(_ attempt: String, remedy: String? = nil) -> Fault {
    let reason = library.lastError(handle).map { String(cString: $0) } ?? "it does not say why"
    return Fault(.failed, "libguestfs could not \(attempt)", cause: reason, remedy: remedy)
  }

  // MARK: - One filesystem

  /// Runs `body` while a filesystem is mounted.
  ///
  /// - Throws: `Fault`; what `body` throws.
  package func mounting<Result>(_ device: String, options: String, _ body: () throws -> Result) throws
    -> Result
  {
    try mount(device, options: options)
    let result: Result
    do {
      result = try body()
    } catch {
      try? unmount()
      throw error
    }
    try unmount()
    return result
  }

  /// Mounts a filesystem in the place of another one; nothing is done where it is mounted already.
  ///
  /// - Throws: `Fault`; `CancellationError`.
  package func mount(_ device: String, options: String) throws {
    try Cancellation.check()
    guard mounted != device else { return }
    try unmount()
    try check(library.mount(handle, options, device, "/"), "mount \(device)")
    mounted = device
  }

  private func unmount() throws(Fault) {
    guard let device = mounted else { return }
    mounted = nil
    try check(library.umountAll(handle), "unmount \(device)")
  }
}

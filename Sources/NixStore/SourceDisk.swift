package import Command
package import ImageModel
package import SystemPackage

/// The read-only disk that carries the store and its database into the guest.
///
/// The disk holds `store/HASH-NAME…` with everything owned by root and timed 1, as in every Nix store,
/// `db/db.sqlite` and `db/schema`. Extended attributes stay behind: an archive (NAR) has none, so what is
/// there is the host's, such as SELinux labels. Hard links are kept.
///
/// The guest may be started as soon as the disk is reserved: QEMU keeps the size it saw and reads zeros from
/// the end of a shorter file. The contents are there when `write` returns; the guest must drop what it read
/// before.
package struct SourceDisk: Hashable, Sendable {
  /// The filesystem, as `mount` names it.
  package static let filesystemType = "squashfs"

  /// The raw image file.
  package let file: FilePath
  /// The size the guest sees; the filesystem is as large or smaller.
  package let size: ByteSize

  /// - Parameters:
  ///   - file: where; nothing may be there.
  ///   - size: what `upperBound` gives.
  package init(file: FilePath, size: ByteSize) {
    self.file = file
    self.size = size
  }

  /// Creates the file without contents, as large as it can become.
  ///
  /// - Throws: `StoreError` of code `sourceDisk`.
  package func reserve() throws {
    guard file.isAbsolute else { throw failure("its path is relative", "Give an absolute path.") }
    do {
      let descriptor = try FileDescriptor.open(
        file, .writeOnly, options: [.create, .exclusiveCreate], permissions: .ownerReadWrite)
      try descriptor.closeAfter { try descriptor.resize(to: Int64(size.bytes)) }
    } catch {
      throw failure("\(error)")
    }
  }

  /// A size that the filesystem does not exceed.
  ///
  /// Squashfs stores contents densely and, uncompressed as here, its tables too. An inode takes at most 56
  /// bytes, its export entry 8, its directory entry 8 and the name, a header of 12 and an index of 12 and the
  /// name, and each started block of 128 KiB 4. Tables are cut into blocks of 8 KiB with 2 bytes each. The
  /// mebibyte is for the superblock, the blocks' addresses and the last, padded block.
  ///
  /// - Parameters:
  ///   - scan: the counts over the closure's trees.
  ///   - database: the size of the target's Nix database.
  package static func upperBound(for scan: TreeScan, database: ByteSize) -> ByteSize {
    let blocks = scan.contentBytes >> 17 + UInt64(scan.files)
    let entries = UInt64(scan.inodes + scan.hardLinks)
    let tables = entries * (56 + 8 + 8 + 12 + 12) + scan.nameBytes * 2 + blocks * 4
    let bytes = scan.contentBytes + tables + tables / 1024 + database.bytes + database.bytes >> 15
    return (ByteSize(bytes: bytes) + .mebibytes(1)).rounded(upTo: 1 << 20)
  }

  /// Writes the contents, about as fast as the trees can be read.
  ///
  /// - Parameters:
  ///   - closure: the objects to carry.
  ///   - store: where they are.
  ///   - database: the target's database, made by `NixDatabase`.
  /// - Throws: `StoreError` of code `sourceDisk`, in which case the file is gone or without use;
  ///   `CancellationError`.
  package func write(
    _ closure: Closure, from store: StoreLocation, database: FilePath, runner: some CommandRunner
  ) async throws {
    // mksquashfs runs in another folder.
    for path in [database, store.root] where !path.isAbsolute {
      throw failure("'\(path)' is relative", "Give an absolute path.")
    }
    do {
      try await runner.run(command(closure, store, database))
    } catch let error as CommandFailure {
      // The command line names every path of the closure: too long to show.
      throw failure(([error.summary] + error.tail).joined(separator: "\n  | "), remedy(for: error))
    }
    do {
      let descriptor = try FileDescriptor.open(file, .readWrite)
      let written = try descriptor.closeAfter {
        let end = try descriptor.seek(offset: 0, from: .end)
        // mksquashfs truncates: give the file back the size the guest sees.
        if end < Int64(size.bytes) { try descriptor.resize(to: Int64(size.bytes)) }
        return end
      }
      guard written <= Int64(size.bytes) else {
        throw failure(
          "it took \(written) bytes and only \(size.bytes) were reserved for it",
          "Something wrote to the store meanwhile. Run the build again.")
      }
    } catch let error as Errno {
      throw failure("\(error)")
    }
  }

  private func command(_ closure: Closure, _ store: StoreLocation, _ database: FilePath) -> Command {
    // The store's folder is called `store` everywhere. From its parent, -no-strip puts the paths into `store/`.
    let sources = closure.paths.map { "store/\($0.path.name)" }
    let parent = store.directory.removingLastComponent()
    return Command(
      "env", ["--chdir=\(parent)", "mksquashfs"] + sources + [file.string] + Self.options,
      // In the environment, since mksquashfs gives the text after `F` to a shell.
      environment: ["SLIPWAY_DATABASE": database.string])
  }

  private static let options =
    // Errors it would only warn of, and replace by empty files, end it.
    ["-exit-on-error", "-noappend", "-no-strip", "-no-progress", "-quiet"]
    // Measured on 60,000 files and 1.4 GB: 3.0 s and 78 MB; 3.5 s and 383 MB with a search for duplicates,
    // 3.0 s and 1054 MB with fragments as well, which need reading twice in the guest.
    + ["-noI", "-noD", "-noF", "-noX", "-no-fragments", "-no-duplicates", "-mem", "128M"]
    // Nothing of the host shows: no owners, no labels, no times, no mode of the store folder.
    + [
      "-all-root", "-no-xattrs", "-all-time", "1", "-mkfs-time", "1", "-root-time", "1", "-root-mode", "0755",
    ]
    + ["-p", "store m 0755 0 0", "-p", "db D 1 0755 0 0"]
    + ["-p", "db/db.sqlite F 1 0644 0 0 cat \"$SLIPWAY_DATABASE\""]
    + ["-p", "db/schema F 1 0644 0 0 printf %s \(NixDatabase.schemaVersion)"]

  private func remedy(for failure: CommandFailure) -> String {
    if failure.tail.contains(where: { $0.contains("No space left on device") }) {
      return "Free \(size) on the filesystem of '\(file)'."
    }
    return switch failure.reason {
    // 127: what `env` exits with when it finds no such command.
    case .notStarted, .exited(127): "Install squashfs-tools, version 4.5 or later."
    default: "Run: nix-store --verify --check-contents --repair"
    }
  }

  private func failure(_ reason: String, _ remedy: String = "") -> StoreError {
    StoreError(.sourceDisk, attempt: "write the source disk '\(file)'", reason: reason, remedy: remedy)
  }
}

internal import Basics
internal import Foundation
internal import SystemPackage

/// The appliances made before, each in a folder named by its digest.
///
/// A folder is made under a temporary name and renamed, so that it is complete or absent, whoever else builds at
/// the same time. It holds `kernel`, `initramfs` and `files.json` with the digest of each: a file with another digest,
/// as a crash of the host or a bad disk can leave it, makes the folder count as absent. A digest is only computed when
/// a file's stamp has changed, or when all is to be read. `inputs-KEY.json` remembers which appliance a set of input
/// files made, so that they are hashed again only after one has changed. What nobody used for a day is removed
/// when something new is made: making it again takes a second.
struct ApplianceCache {
  /// The cache's folder.
  let folder: FilePath
  /// Whether digests are computed even when no stamp has changed.
  var readsAll = false

  /// What a set of inputs made.
  private struct Memory: Codable {
    var digest: String
    var files: [InputStamp]
  }

  /// A file of an appliance as it was made, or last found to be whole.
  private struct Witness: Codable, Equatable {
    /// SHA-256 of its bytes, in hexadecimal.
    var digest: String
    /// `InputStamp.values`; the path changes when the folder gets its name.
    var stamp: [Int64]
  }

  /// The appliance with this digest, if it is there and whole; it then counts as used.
  func appliance(_ digest: String) -> Appliance? {
    let place = folder.appending(digest)
    let appliance = Appliance(
      kernel: place.appending("kernel"), initramfs: place.appending("initramfs"), digest: digest)
    guard let bytes = try? contents(of: Self.record(in: place)),
      let recorded = try? JSONDecoder().decode([String: Witness].self, from: Data(bytes)),
      isWhole(appliance, recorded)
    else { return nil }
    markUsed(place)
    return appliance
  }

  private func isWhole(_ appliance: Appliance, _ recorded: [String: Witness]) -> Bool {
    let stamps = Self.files(of: appliance).mapValues { InputStamp($0.string).values }
    if !readsAll, recorded.mapValues(\.stamp) == stamps { return true }
    guard let found = try? Self.witnesses(of: appliance),
      found.mapValues(\.digest) == recorded.mapValues(\.digest)
    else { return false }
    // Failing only means that the files are read again next time.
    try? Self.record(found, in: appliance.kernel.removingLastComponent())
    return true
  }

  /// The appliance that these inputs made, unless one of its files has changed since.
  func recall(_ key: String) -> Appliance? {
    guard let bytes = try? contents(of: memoryPath(key)),
      let memory = try? JSONDecoder().decode(Memory.self, from: Data(bytes)),
      memory.files.allSatisfy({ $0 == InputStamp($0.path) }),
      let appliance = appliance(memory.digest)
    else { return nil }
    markUsed(memoryPath(key))
    return appliance
  }

  /// Remembers that inputs with these stamps make this appliance.
  ///
  /// - Throws: `Fault`.
  func remember(_ key: String, digest: String, files: [InputStamp]) throws {
    let memory = try JSONEncoder().encode(Memory(digest: digest, files: files))
    try write(Array(memory), to: memoryPath(key))
  }

  /// Makes the appliance with this digest.
  ///
  /// - Parameter fill: writes `kernel` and `initramfs` into the folder it is given.
  /// - Returns: this appliance, or the same one that another process finished first.
  /// - Throws: `Fault`, and what `fill` throws.
  func make(_ digest: String, _ fill: (FilePath) async throws -> Void) async throws -> Appliance {
    let temporary = folder.appending("\(digest.prefix(16))-\(UUID().uuidString).tmp")
    try makeFolder(temporary)
    defer { try? TreeRemover.remove(temporary) }
    try await fill(temporary)
    let made = Appliance(
      kernel: temporary.appending("kernel"), initramfs: temporary.appending("initramfs"), digest: digest)
    for file in Self.files(of: made).values { try flush(file) }
    try Self.record(try Self.witnesses(of: made), in: temporary)
    return try await publish(temporary, digest)
  }

  /// Gives a complete folder its name, unless another process was faster.
  private func publish(_ temporary: FilePath, _ digest: String) async throws -> Appliance {
    // One at a time: else one process could take another's new folder for a damaged one and move it away.
    let lock = try onFile(folder) { try FileDescriptor.open(folder, .readOnly, options: .closeOnExec) }
    defer { try? lock.close() }
    // Not a call that waits: another's process may be stopped, and this one is to be interrupted.
    while flock(lock.rawValue, LOCK_EX | LOCK_NB) != 0 {
      guard errno == EWOULDBLOCK || errno == EINTR else {
        throw Fault.file(folder, reason: "it could not be locked: \(Errno(rawValue: errno))")
      }
      try await Task.sleep(for: .milliseconds(20))
    }
    if let other = appliance(digest) { return other }
    let place = folder.appending(digest)
    // A damaged folder of this name can be in the way.
    try onFile(place) {
      try TreeRemover.remove(place)
      try Folder.move(temporary, to: place)
    }
    guard let appliance = appliance(digest) else {
      throw Fault.file(place, reason: "the new appliance is not whole")
    }
    return appliance
  }

  /// Removes what was last used longer ago than this many seconds, and what killed builds left.
  func removeUnused(for seconds: Double = 86_400, now: Date = Date()) {
    for name in (try? Folder.names(in: folder)) ?? [] {
      let path = folder.appending(bytes: name)
      guard let used = try? path.stat().st_mtim.tv_sec else { continue }
      if now.timeIntervalSince1970 - Double(used) >= seconds { try? TreeRemover.remove(path) }
    }
  }

  private func markUsed(_ path: FilePath) {
    // Failing only means that it is removed and made again.
    _ = path.withPlatformString { utimensat(AT_FDCWD, $0, nil, 0) }
  }

  private func memoryPath(_ key: String) -> FilePath {
    folder.appending("inputs-\(key).json")
  }

  private static func files(of appliance: Appliance) -> [String: FilePath] {
    ["kernel": appliance.kernel, "initramfs": appliance.initramfs]
  }

  private static func record(in place: FilePath) -> FilePath {
    place.appending("files.json")
  }

  private static func witnesses(of appliance: Appliance) throws -> [String: Witness] {
    try files(of: appliance).mapValues { file in
      // Before the bytes are read: a later change is then noticed.
      let stamp = InputStamp(file.string).values
      return Witness(digest: hexDigest(of: try contents(of: file)), stamp: stamp)
    }
  }

  private static func record(_ witnesses: [String: Witness], in place: FilePath) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    try write(Array(encoder.encode(witnesses)), to: record(in: place))
  }
}

extension Appliance {
  /// Reads a cached appliance in full, and removes it when it is damaged, so that the next build makes it anew.
  ///
  /// - Returns: whether it was damaged. One that is not in a cache of ours is left alone, and counts as whole.
  package func removeIfDamaged() -> Bool {
    let place = kernel.removingLastComponent()
    let cache = ApplianceCache(folder: place.removingLastComponent(), readsAll: true)
    guard place.lastComponent?.string == digest, cache.appliance(digest) == nil else { return false }
    try? TreeRemover.remove(place)
    return true
  }
}

/// What changes when a file does, without reading it.
struct InputStamp: Hashable, Codable {
  /// The file.
  let path: String
  /// Device, inode, size in bytes, and both times in nanoseconds; empty when the file is absent.
  let values: [Int64]

  /// Looks at a file, links followed.
  init(_ path: String) {
    self.path = path
    guard let stat = try? FilePath(path).stat() else {
      values = []
      return
    }
    let times = [stat.st_mtim, stat.st_ctim].map { Int64($0.tv_sec) * 1_000_000_000 + Int64($0.tv_nsec) }
    values =
      [
        Int64(bitPattern: UInt64(stat.deviceID.rawValue)), Int64(bitPattern: UInt64(stat.inode.rawValue)),
        stat.size,
      ] + times
  }
}

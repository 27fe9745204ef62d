internal import Basics
internal import BuildPlan
internal import Foundation
internal import Guestfs
internal import ImageModel
internal import ImageReading
internal import NixStore
internal import SystemPackage

/// A NixOS system on an image's disk, as far as a generation that is added to it depends on that. Nothing of it is trusted.
struct InstalledImage: Sendable {
  /// The disk; filesystems are described where the system mounts the root and what boot loaders read.
  let layout: DiskLayout
  /// The systems of the profile's generations by their numbers; an empty text for a link that leads to no system.
  let generations: [UInt64: String]
  /// The number of the generation that the profile is at.
  let current: UInt64?
  /// The kind of machine that the current system is for, as Nix names it; nil where it does not say.
  let machineType: String?
  /// What its Nix database has.
  let registered: RegisteredPaths
  /// The names in its store.
  let storeNames: Set<String>
  let rootFree: ByteSize
  let rootInodes: UInt64?
  /// The filesystems that boot loaders read, but for the root.
  let boot: [BootFilesystem]
  /// Absolute paths of one machine's state that it does not have.
  let absentState: [String]

  /// A filesystem that boot loaders read.
  struct BootFilesystem: Sendable {
    let mountPoint: String
    let free: ByteSize
    /// How files are rounded up.
    let clusterSize: UInt64
    /// The names of files that may be kernels and initrds, in lower case.
    let names: [String]
  }

  /// Reads a disk.
  ///
  /// - Parameters:
  ///   - disk: a raw disk, which nothing writes to meanwhile.
  ///   - profile: the profile whose generations are read.
  ///   - mountPoints: where partitions are mounted, by their numbers, where the system does not say.
  ///   - isEmulated: whether a machine that reads other filesystems than ext2 to ext4 and FAT is emulated.
  ///   - scratch: a folder for that machine.
  /// - Throws: `Fault` of kind `badInput` for a disk to which no generation can be added; `CancellationError`.
  static func read(
    _ disk: FilePath, profile: String, mountPoints: [Int: String], isEmulated: Bool, scratch: FilePath
  ) async throws -> InstalledImage {
    try await onThread {
      do {
        return try DiskFile.with(disk) { file in
          let map = try DiskMap(of: file)
          func installed(_ map: DiskMap, unread: [String] = []) throws -> InstalledImage {
            try InstalledImageReader(
              map: map, disk: file, profile: profile, mountPoints: mountPoints, unread: unread
            ).read()
          }
          guard try map.hasForeignFilesystems && !InstalledImageReader.hasRoot(map) else {
            return try installed(map)
          }
          return try Guestfs.with(disks: [.init(disk.absolute)], emulated: isEmulated, scratch: scratch) {
            guest in
            var whole = map
            let unread = try whole.read(with: guest)
            return try installed(whole, unread: unread)
          }
        }
      } catch let error as UnreadableStructure {
        throw Fault(.badInput, "the image's filesystem is damaged: \(error.reason)")
      } catch let error as Errno {
        throw Fault(.failed, "could not read the image's disk", cause: "\(error)")
      }
    }
  }

  /// What a plan depends on.
  ///
  /// - Parameter bootFiles: sizes of the kernels and initrds of the new system by the names of their store objects.
  func facts(adding bootFiles: [BootFiles.File]) -> ImageFacts {
    // Boot loaders that read nothing else have kernels on /boot, or on an ESP that is the only such filesystem.
    let kernels = boot.first { $0.mountPoint == "/boot" } ?? boot.first { $0.mountPoint == "/efi" }
    let places = boot.map { place in
      let missing = place.mountPoint == kernels?.mountPoint ? bootFiles.filter { !place.has($0) } : []
      let sizes = missing.map { ByteSize(bytes: $0.size).rounded(upTo: place.clusterSize) }
      return ImageFacts.BootPlace(
        mountPoint: place.mountPoint, free: place.free, need: sizes.reduce(ByteSize(bytes: 0), +))
    }
    return ImageFacts(
      layout: layout, generations: generations, current: current, rootFree: rootFree, rootInodes: rootInodes,
      boot: places, absentState: absentState)
  }
}

extension InstalledImage.BootFilesystem {
  /// NixOS names its copies after their store objects and files.
  fileprivate func has(_ file: BootFiles.File) -> Bool {
    let (object, name) = (file.object.lowercased(), file.name.lowercased())
    return names.contains { $0.contains(object) && $0.contains(name) }
  }
}

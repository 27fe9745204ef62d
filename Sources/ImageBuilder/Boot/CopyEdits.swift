internal import Basics
internal import BuildPlan
internal import EFIVariables
internal import Guestfs
internal import SystemPackage

extension BootSetup {
  /// Tells the boot loaders of copies what to start at their next boot.
  ///
  /// - Throws: `Fault`, `CancellationError`.
  func apply(_ choices: [(copy: ImageCopy, means: BootMeans)]) async throws {
    for (copy, means) in choices {
      guard let file = copy.variables, var store = try await copy.store() else { continue }
      do {
        try means.apply(to: &store)
        try HostFiles.write(store.serialized(), to: file)
      } catch let fault as EFIFault {
        throw Fault(
          .failed, "could not tell the boot loader what to start", cause: fault.reason,
          remedy: "Give a variable store with some room")
      }
    }
    let blocks = choices.enumerated().compactMap { index, choice -> GRUBChoice? in
      guard case .grubEnvironment(let partition, let folder, let entry) = choice.means else { return nil }
      return GRUBChoice(disk: index, partition: partition, folder: folder, entry: entry)
    }
    guard !blocks.isEmpty else { return }
    try await edit(choices.map(\.copy)) { guest in for block in blocks { try block.write(with: guest) } }
  }

  /// Changes filesystems of copies, in a machine of libguestfs's.
  ///
  /// - Parameters:
  ///   - copies: the machine's disks, `/dev/sda` and so on.
  ///   - body: blocks its thread.
  /// - Throws: `Fault`, `CancellationError`; what `body` throws.
  func edit<Result: Sendable>(
    _ copies: [ImageCopy], _ body: @escaping @Sendable (Guestfs) throws -> Result
  ) async throws -> Result {
    try await onThread { [scratch, accelerator] in
      try Guestfs.with(
        disks: copies.map { .init($0.disk, format: "qcow2", isWritable: true) },
        emulated: accelerator == .tcg, scratch: scratch, body)
    }
  }
}

extension Guestfs {
  /// A partition as libguestfs names it.
  ///
  /// - Parameters:
  ///   - partition: its number; 0 for a disk without partitions.
  ///   - disk: the disk's place among those of the machine, from 0.
  static func device(_ partition: Int, ofDisk disk: Int) -> String {
    let letters = (UInt8(ascii: "a")...UInt8(ascii: "z")).map { String(UnicodeScalar($0)) }
    let (first, last) = (disk / letters.count, disk % letters.count)
    // sda to sdz, then sdaa and so on.
    let name = (first > 0 ? letters[(first - 1) % letters.count] : "") + letters[last]
    return "/dev/sd\(name)\(partition == 0 ? "" : "\(partition)")"
  }
}

/// What GRUB on one disk is to start.
private struct GRUBChoice: Sendable {
  let disk: Int
  let partition: Int
  let folder: String
  let entry: String

  /// More than any menu has.
  private static let menuLimit = 4 << 20

  func write(with guest: Guestfs) throws {
    try guest.mounting(Guestfs.device(partition, ofDisk: disk), options: "") {
      let menu = try guest.content(of: Array("\(folder)/grub.cfg".utf8), at: 0, count: Self.menuLimit)
      guard String(decoding: menu, as: UTF8.self).contains("next_entry") else {
        throw Fault(
          .badInput, "GRUB's menu \(folder)/grub.cfg does not ask for an entry for one boot",
          remedy: "Boot what starts by itself")
      }
      let place = Array("\(folder)/\(GRUBEnvironment.fileName)".utf8)
      let names = try guest.names(in: Array(folder.utf8))
      let isThere = names.contains(Array(GRUBEnvironment.fileName.utf8))
      let old = isThere ? try guest.content(of: place, at: 0, count: GRUBEnvironment.size) : []
      var environment = GRUBEnvironment(old)
      environment["next_entry"] = entry
      guard let bytes = environment.bytes else {
        throw Fault(
          .failed, "GRUB's environment block has no room for the entry",
          remedy: "Boot what starts by itself"
        )
      }
      try guest.write(bytes, to: place)
    }
  }
}

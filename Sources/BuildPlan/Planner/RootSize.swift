internal import Ext4Geometry
internal import ImageModel

/// How large the root filesystem is, and how many inodes an ext4 gets.
struct RootSize {
  let size: ByteSize
  let inodes: UInt64?

  /// Blocks that an installation writes besides the poured tree.
  struct Installation {
    /// `/etc`, `/var`, `/root` and more that every activation makes, and a reserve: all of it took 25 and
    /// 36 blocks in two systems (docs/decisions/0006-pour-while-booting.md).
    private static let blocks: UInt64 = 128
    private static let inodes: UInt64 = 1024

    let room: ByteSize
    let inodes: UInt64

    /// GRUB with its modules: measured, 2.5 MiB and 294 files. Fonts, translations and a picture may come to it.
    private static let grub: (room: ByteSize, inodes: UInt64) = (.mebibytes(8), 512)

    /// Nothing for a store alone.
    ///
    /// - Parameter bootsFromRoot: whether `/boot` is in the root, and a bootloader copies kernels there.
    init(of closure: ClosureFacts, onlyNixStore: Bool, bootsFromRoot: Bool) {
      guard !onlyNixStore else {
        room = ByteSize(bytes: 0)
        inodes = 0
        return
      }
      // A link's target is in its inode.
      let blocks = Self.blocks + closure.etcDirectories + closure.etcLinks / 64
      let boot = bootsFromRoot ? closure.bootFiles + Self.grub.room : ByteSize(bytes: 0)
      room = ByteSize(bytes: blocks * UInt64(Ext4Format.blockSize)) + boot
      inodes =
        Self.inodes + closure.etcDirectories + closure.etcLinks + (bootsFromRoot ? Self.grub.inodes : 0)
    }
  }

  /// The size that the tree, the installation and the free space need, or what the disk leaves.
  ///
  /// - Parameters:
  ///   - fixed: what a disk of fixed size leaves for the root; nil to make it as large as needed.
  ///   - overhead: what is not the root's on the disk, for messages.
  /// - Throws: `SpecError` for `diskSize` when the tree does not fit.
  init(
    _ spec: ResolvedSpec, closure: ClosureFacts, fixed: ByteSize?, overhead: UInt64
  ) throws(SpecError) {
    let installation = Installation(
      of: closure, onlyNixStore: spec.onlyNixStore,
      bootsFromRoot: spec.installBootLoader
        && !(spec.layout.hasESP && spec.layout.bootPlaces.contains("/boot")))
    let free = fixed == nil ? spec.free : ByteSize(bytes: 0)
    guard let need = Self.need(spec, closure, installation, free: free) else {
      throw SpecError(
        "additionalSpace", "with \(free) of free space the root would be larger than 16 TiB",
        remedy: "Ask for less")
    }
    guard let fixed else {
      (size, inodes) = try Self.grown(
        need, spec, closure, room: installation.room + free, overhead: overhead)
      return
    }
    guard spec.filesystem != .ext4 || fixed.bytes <= 16 << 40 else {
      throw SpecError(
        "diskSize", "\(fixed) are left for the root, and ext4 holds 16 TiB",
        remedy: "Ask for less, or use xfs")
    }
    guard let inodes = Self.inodes(spec, closure, installation, in: fixed, need) else {
      let least = Self.least(closure, installation, above: fixed, need)
      let disk = ByteSize(bytes: least.bytes + overhead).rounded(upTo: spec.diskUnit)
      throw SpecError(
        "diskSize",
        "a disk of \(ByteSize(bytes: fixed.bytes + overhead)) leaves \(fixed) for the root, and the closure needs "
          + "\(least)",
        remedy: "Set diskSize to \"auto\" or to at least \(disk.bytes >> 20)M")
    }
    size = fixed
    self.inodes = inodes
  }

  /// The least root from `need` on that ends the disk at a whole unit.
  private static func grown(
    _ need: Need, _ spec: ResolvedSpec, _ closure: ClosureFacts, room: ByteSize, overhead: UInt64
  ) throws(SpecError) -> Need {
    var size = need.size
    while true {
      size.bytes = (size + ByteSize(bytes: overhead)).rounded(upTo: spec.diskUnit).bytes - overhead
      guard size > need.size, let least = need.inodes else { return (size, need.inodes) }
      guard size.bytes <= 16 << 40 else {
        throw SpecError(
          "additionalSpace", "the disk would be rounded up to more than ext4 can hold", remedy: "Ask for less"
        )
      }
      // A larger journal may take more than what came to it.
      let inodes = least + (size.bytes - need.size.bytes) / 16384
      if closure.tree.fits(size, room: room, inodes: inodes) { return (size, inodes) }
      size.bytes += 1
    }
  }

  /// The inodes on a disk of fixed size: nil when the tree does not fit, `.some(nil)` for filesystems that have no
  /// table of them.
  private static func inodes(
    _ spec: ResolvedSpec, _ closure: ClosureFacts, _ installation: Installation, in size: ByteSize,
    _ need: Need
  ) -> UInt64?? {
    guard spec.poursRoot, let least = need.inodes else {
      guard size >= need.size else { return nil }
      return .some(need.inodes.map { $0 + (size.bytes - need.size.bytes) / 16384 })
    }
    // mke2fs's usual ratio, so that a large disk is not short of them; not where only fewer leave room.
    let choices = [max(least, size.bytes / 16384), least]
    let chosen = choices.first { closure.tree.fits(size, room: installation.room, inodes: $0) }
    return chosen.map { .some($0) }
  }

  /// The least size above one that is too small.
  private static func least(
    _ closure: ClosureFacts, _ installation: Installation, above size: ByteSize, _ need: Need
  ) -> ByteSize {
    guard size >= need.size, let inodes = need.inodes else { return need.size }
    var larger = size.rounded(upTo: DiskGeometry.alignment)
    while !closure.tree.fits(larger, room: installation.room, inodes: inodes) {
      larger.bytes += DiskGeometry.alignment
    }
    return larger
  }

  private typealias Need = (size: ByteSize, inodes: UInt64?)

  private static func need(
    _ spec: ResolvedSpec, _ closure: ClosureFacts, _ installation: Installation, free: ByteSize
  ) -> Need? {
    if spec.filesystem.isReadOnly {
      let size = closure.storeImage ?? ByteSize(bytes: 0)
      return (size.rounded(upTo: DiskGeometry.alignment), nil)
    }
    guard spec.poursRoot else {
      return CopiedRoot(tree: closure.tree, installation: installation, free: free).need(spec.filesystem)
    }
    let inodes = installation.inodes + free.bytes / 16384
    let room = installation.room + free
    return closure.tree.filesystem(room: room, inodes: inodes).map { ($0.size, $0.inodes) }
  }
}

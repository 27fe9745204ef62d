internal import Basics
internal import CExt2fs

/// Targets shorter than this are in the inode itself, where extents are else.
let linkBytesInInode = 60

/// A target must fit into one block with a NUL, and there must be one.
func checkLinkTarget(_ target: [UInt8], _ path: TreePath) throws(Fault) {
  guard !target.isEmpty else { throw .unsupported(path, "a symbolic link needs a target") }
  guard target.count < Ext4Options.blockSize else {
    throw .unsupported(
      path, "its target has \(target.count) bytes, and \(Ext4Options.blockSize - 1) is the most")
  }
  guard !target.contains(0) else { throw .unsupported(path, "its target holds a NUL") }
}

/// Blocks of a file are numbered with 32 bits.
func checkFileSize(_ size: UInt64, _ path: TreePath) throws(Fault) {
  guard size <= UInt64(UInt32.max) * UInt64(Ext4Options.blockSize) else {
    throw .unsupported(path, "it has \(size) bytes, and a file can have 16 TiB")
  }
}

/// How much room extended attributes take, by the rules of libext2fs: first in the inode, then in one block.
struct AttributeSpace {
  /// Whether they need a block.
  private(set) var needsBlock = false

  /// Places the attributes.
  ///
  /// - Throws: `Fault` when they do not fit, or a name has no namespace that ext4 knows.
  init(_ attributes: [ExtendedAttribute], path: TreePath) throws(Fault) {
    // 256 bytes less the inode's fields, a magic number, and the end of the list.
    var inInode = Int(FilesystemHandle.inodeSize) - MemoryLayout<ext2_inode_large>.size - 8
    // A block less its header, and the end of the list.
    var inBlock = Ext4Options.blockSize - 32 - 4
    for attribute in attributes.sorted(by: { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }) {
      guard let suffix = Self.suffix(attribute.name) else {
        throw .unsupported(path, "its attribute '\(attribute.name)' is in no namespace of ext4")
      }
      let need = 16 + (suffix.utf8.count + 3) & ~3 + (attribute.value.count + 3) & ~3
      if need <= inInode {
        inInode -= need
      } else if need <= inBlock {
        inBlock -= need
        needsBlock = true
      } else {
        throw .unsupported(
          path, "its extended attributes take more than a block ('\(attribute.name)' is the one too many)")
      }
    }
  }

  /// What ext4 keeps of a name: the namespace becomes a number.
  private static func suffix(_ name: String) -> Substring? {
    if ["system.posix_acl_access", "system.posix_acl_default"].contains(name) { return "" }
    for namespace in ["user.", "trusted.", "security."] where name.hasPrefix(namespace) {
      let suffix = name.dropFirst(namespace.count)
      return suffix.isEmpty || suffix.utf8.count > 255 ? nil : suffix
    }
    return nil
  }
}

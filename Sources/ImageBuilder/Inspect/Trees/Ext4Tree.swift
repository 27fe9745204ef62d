internal import Basics
internal import ImageModel
internal import ImageReading

/// The files of a filesystem of the ext family.
final class Ext4Tree: ReadableTree {
  private let filesystem: Ext4Filesystem
  /// Folders that were read: inode numbers by name.
  private var folders: [UInt64: [String: UInt64]] = [:]

  /// How many more names may be looked up: folders of a hostile filesystem lead round in circles.
  private var budget = 2_000_000

  /// Bytes of the longest target that Linux follows.
  private static let longestTarget: UInt64 = 4096

  /// - Throws: `UnreadableStructure`, and what reading throws.
  init(_ disk: ImageBytes) throws {
    filesystem = try Ext4Filesystem(disk)
  }

  func node(_ path: String) throws -> TreeNode? {
    guard let inode = try inode(path) else { return nil }
    let time = Int64(Int32(truncatingIfNeeded: inode.bytes.littleEndian(at: 0x10, 4)))
    if inode.isDirectory { return TreeNode(kind: .folder, time: time) }
    if inode.isLink { return TreeNode(kind: .link(target: try target(of: inode)), time: time) }
    return TreeNode(kind: inode.isFile ? .file : .other, size: inode.isFile ? inode.size : 0, time: time)
  }

  func names(in path: String) throws -> [String] {
    guard let inode = try inode(path), inode.isDirectory else { return [] }
    return Array(try entries(of: inode).keys)
  }

  func content(_ path: String, at offset: UInt64, count: Int) throws -> [UInt8] {
    guard let inode = try inode(path), inode.isFile, offset < inode.size else { return [] }
    let wanted = Int(min(UInt64(count), inode.size - offset))
    if inode.hasInlineData { return Array(try inlineData(of: inode).dropFirst(Int(offset)).prefix(wanted)) }
    return try filesystem.content(filesystem.map(of: inode), at: offset, count: wanted)
  }

  private func inode(_ path: String) throws -> Ext4Inode? {
    var inode = try filesystem.inode(Ext4Filesystem.root)
    for name in path.split(separator: "/") {
      guard budget > 0 else { throw UnreadableStructure("it leads to very many paths") }
      budget -= 1
      guard inode.isDirectory, let number = try entries(of: inode)[String(name)] else { return nil }
      inode = try filesystem.inode(number)
    }
    return inode
  }

  private func entries(of folder: Ext4Inode) throws -> [String: UInt64] {
    if let known = folders[folder.number] { return known }
    var entries: [String: UInt64] = [:]
    for entry in try filesystem.entries(of: folder, filesystem.map(of: folder)) {
      if let name = String(validating: entry.name, as: UTF8.self) { entries[name] = entry.inode }
    }
    folders[folder.number] = entries
    return entries
  }

  private func target(of link: Ext4Inode) throws -> String {
    guard link.size <= Self.longestTarget else { throw UnreadableStructure("it has a link without an end") }
    let bytes: [UInt8]
    if link.hasInlineData {
      bytes = Array(try inlineData(of: link).prefix(Int(link.size)))
    } else if link.hasNoBlocks {
      bytes = Array(link.mapBytes.prefix(Int(link.size)))
    } else {
      bytes = try filesystem.content(filesystem.map(of: link), at: 0, count: Int(link.size))
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// What is in the inode: the place of the map, and an attribute.
  private func inlineData(of inode: Ext4Inode) throws -> [UInt8] {
    let more = try filesystem.attributes(in: inode).first { $0.name == "system.data" }
    return inode.mapBytes + (more?.value ?? [])
  }
}

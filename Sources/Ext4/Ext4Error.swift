internal import CExt2fs
package import ImageModel
package import SystemPackage

/// Why a tree could not be poured or measured. Every case names what it is about, and what to do.
package enum Ext4Error: Error, Hashable, Sendable {
  /// The options ask for a filesystem that cannot be.
  case options(String)
  /// A source file vanished, or cannot be read.
  case source(FilePath, doing: String, Errno)
  /// A source is of a type that the tree does not take.
  case special(FilePath, SpecialFile)
  /// The filesystem that a node would be on cannot hold it.
  case unfit(TreePath, String)
  /// A source file is not what it was when the tree was scanned.
  case sourceChanged(FilePath, String)
  /// A node came before one that it should follow.
  case outOfOrder(TreePath, after: TreePath)
  /// Two nodes have one path.
  case duplicate(TreePath)
  /// A node's directory is not in the tree.
  case noDirectory(TreePath)
  /// ext4 cannot hold this node, or Slipway does not make it.
  case unsupported(TreePath, String)
  /// The filesystem is full.
  case noSpace(TreePath, need: ByteSize, have: ByteSize)
  /// The filesystem has no inode left.
  case noInodes(TreePath, have: UInt64)
  /// The image file cannot be used.
  case image(FilePath, doing: String, Errno)
  /// libext2fs refused.
  case library(doing: String, code: Int, message: String)

  /// A failure of libext2fs, with its own text.
  static func library(_ doing: String, _ code: errcode_t) -> Ext4Error {
    .library(doing: doing, code: code, message: errorText(code))
  }
}

extension Ext4Error: CustomStringConvertible {
  package var description: String {
    switch self {
    case .options(let reason): "no ext4 filesystem can be made this way: \(reason)"
    case .source(let path, let doing, .noSuchFileOrDirectory):
      "'\(path)' vanished: \(doing) failed; keep the sources until the build is done"
    case .source(let path, let doing, let errno):
      "'\(path)' cannot go into the image: \(doing) failed: \(errno); make it readable, or leave it out"
    case .special(let path, let type):
      "'\(path)' is \(type.rawValue), and an image takes files, folders and links; leave it out"
    case .unfit(let path, let reason): "'\(path)' cannot be in the image: \(reason)"
    case .sourceChanged(let path, let what):
      "'\(path)' changed while the image was made: \(what); build again when nothing writes to it"
    case .outOfOrder(let path, let previous):
      "'\(path)' came after '\(previous)'; nodes must be in path order"
    case .duplicate(let path): "'\(path)' is twice in the tree; leave one out"
    case .noDirectory(let path): "'\(path)' is in no directory of the tree; add the directories above it"
    case .unsupported(let path, let reason):
      "'\(path)' cannot be on ext4: \(reason); leave it out or change it"
    case .noSpace(let path, let need, let have):
      "the filesystem is full: '\(path)' needs \(need) and \(have) are left; make it larger"
    case .noInodes(let path, let have):
      "the filesystem has no inode left for '\(path)', of \(have); make it with more inodes"
    case .image(let path, let doing, let errno):
      "the image '\(path)' cannot be written: \(doing) failed: \(errno)"
    case .library(let doing, let code, let message): "\(doing) failed in libext2fs: \(message) (\(code))"
    }
  }
}

/// libext2fs registers its texts in a global list, which is not made for threads: once, under Swift's lock.
private let errorTexts: Void = initialize_ext2_error_table()

private func errorText(_ code: errcode_t) -> String {
  _ = errorTexts
  return error_message(code).map { String(cString: $0) } ?? "unknown error"
}

/// Runs a call of libext2fs, and throws what it returns unless that is 0.
func checked(_ doing: @autoclosure () -> String, _ call: () -> errcode_t) throws(Ext4Error) {
  let code = call()
  guard code == 0 else { throw .library(doing(), code) }
}

package import Basics
internal import CExt2fs
internal import ImageModel
internal import SystemPackage

/// Why a tree could not be poured or measured. Every cause names what it is about, and what to do.
extension Fault {
  private init(_ kind: Kind, pour cause: String) {
    self.init(kind, "the image's files cannot be written", cause: cause)
  }

  /// The options ask for a filesystem that cannot be.
  static func options(_ reason: String) -> Fault {
    Fault(.failed, pour: "no ext4 filesystem can be made this way: \(reason)")
  }

  /// A source file vanished, or cannot be read.
  static func source(_ path: FilePath, doing: String, _ error: Errno) -> Fault {
    error == .noSuchFileOrDirectory
      ? Fault(.failed, pour: "'\(path)' vanished: \(doing) failed; keep the sources until the build is done")
      : Fault(
        .badInput,
        pour:
          "'\(path)' cannot go into the image: \(doing) failed: \(error); make it readable, or leave it out")
  }

  /// A source is of a type that the tree does not take.
  static func special(_ path: FilePath, _ type: SpecialFile) -> Fault {
    Fault(
      .badInput,
      pour: "'\(path)' is \(type.rawValue), and an image takes files, folders and links; leave it out")
  }

  /// The filesystem that a node would be on cannot hold it.
  package static func unfit(_ path: TreePath, _ reason: String) -> Fault {
    Fault(.badInput, pour: "'\(path)' cannot be in the image: \(reason)")
  }

  /// A source file is not what it was when the tree was scanned.
  static func sourceChanged(_ path: FilePath, _ what: String) -> Fault {
    Fault(
      .failed,
      pour: "'\(path)' changed while the image was made: \(what); build again when nothing writes to it")
  }

  /// A node came before one that it should follow.
  static func outOfOrder(_ path: TreePath, after previous: TreePath) -> Fault {
    Fault(.badInput, pour: "'\(path)' came after '\(previous)'; nodes must be in path order")
  }

  /// Two nodes have one path.
  static func duplicate(_ path: TreePath) -> Fault {
    Fault(.badInput, pour: "'\(path)' is twice in the tree; leave one out")
  }

  /// A node's directory is not in the tree.
  static func noDirectory(_ path: TreePath) -> Fault {
    Fault(.badInput, pour: "'\(path)' is in no directory of the tree; add the directories above it")
  }

  /// A node that is to stay is not in the filesystem.
  static func notThere(_ path: TreePath) -> Fault {
    Fault(.failed, pour: "'\(path)' is to stay as it was written, and was not written")
  }

  /// ext4 cannot hold this node, or Slipway does not make it.
  static func unsupported(_ path: TreePath, _ reason: String) -> Fault {
    Fault(.badInput, pour: "'\(path)' cannot be on ext4: \(reason); leave it out or change it")
  }

  /// The filesystem is full.
  static func noSpace(_ path: TreePath, need: ByteSize, have: ByteSize) -> Fault {
    Fault(
      .failed, pour: "the filesystem is full: '\(path)' needs \(need) and \(have) are left; make it larger")
  }

  /// The filesystem has no inode left.
  static func noInodes(_ path: TreePath, have: UInt64) -> Fault {
    Fault(
      .failed, pour: "the filesystem has no inode left for '\(path)', of \(have); make it with more inodes")
  }

  /// The image file cannot be used.
  static func image(_ path: FilePath, doing: String, _ error: Errno) -> Fault {
    Fault(.failed, pour: "the image '\(path)' cannot be written: \(doing) failed: \(error)")
  }

  /// libext2fs refused.
  static func library(_ doing: String, _ code: errcode_t) -> Fault {
    Fault(.failed, pour: "\(doing) failed in libext2fs: \(errorText(code)) (\(code))")
  }
}

/// libext2fs registers its texts in a global list, which is not made for threads: once, under Swift's lock.
private let errorTexts: Void = initialize_ext2_error_table()

private func errorText(_ code: errcode_t) -> String {
  _ = errorTexts
  return error_message(code).map { String(cString: $0) } ?? "unknown error"
}

/// Runs a call of libext2fs, and throws what it returns unless that is 0.
func checked(_ doing: @autoclosure () -> String, _ call: () -> errcode_t) throws(Fault) {
  let code = call()
  guard code == 0 else { throw .library(doing(), code) }
}

internal import Glibc
internal import SystemPackage

/// What changes when a file is written or replaced.
struct FileStamp: Hashable {
  var isEmpty: Bool { size == 0 }

  private var inode: UInt64
  private var size: Int64
  private var seconds: Int
  private var nanoseconds: Int

  /// Nil where there is no file.
  init?(of file: FilePath) throws(Errno) {
    var status = stat()
    guard file.withPlatformString({ lstat($0, &status) }) == 0 else {
      let error = Errno(rawValue: errno)
      guard error == .noSuchFileOrDirectory else { throw error }
      return nil
    }
    inode = UInt64(status.st_ino)
    size = Int64(status.st_size)
    seconds = status.st_mtim.tv_sec
    nanoseconds = status.st_mtim.tv_nsec
  }
}

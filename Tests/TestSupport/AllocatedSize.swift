internal import Glibc
package import SystemPackage

/// The bytes that a file takes on the host; nil when it is not there.
package func allocatedSize(of file: FilePath) -> Int64? {
  var status = stat()
  guard stat(file.string, &status) == 0 else { return nil }
  return Int64(status.st_blocks) * 512
}

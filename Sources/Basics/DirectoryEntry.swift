package import Glibc

/// The name of what readdir(3) gave, as a C string; it is there until the next call.
///
/// It is read where it is. A record ends with its name, and may be the last of its page: whoever copies the structure, or
/// the whole field, reads beyond it.
package func entryName(_ entry: UnsafeMutablePointer<dirent>) -> UnsafePointer<CChar> {
  let field = MemoryLayout<dirent>.offset(of: \.d_name) ?? 0
  return UnsafeRawPointer(entry).advanced(by: field).assumingMemoryBound(to: CChar.self)
}

/// The same as bytes, without the final zero.
package func entryNameBytes(_ entry: UnsafeMutablePointer<dirent>) -> [UInt8] {
  let start = entryName(entry)
  return Array(UnsafeRawBufferPointer(start: start, count: strlen(start)))
}

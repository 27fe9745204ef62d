internal import AgentProtocol
internal import Basics
internal import Glibc
internal import SystemPackage

/// Writes a handover onto a disk: the records first, the header when all of them are there.
package final class HandoverWriter {
  private static let capacity = 1 << 20

  private let file: Int32
  private let path: String
  private var buffer: [UInt8] = []
  private var hash = XXH64()
  private var written: UInt64 = 0
  private var records: UInt64 = 0

  package init(_ path: String) throws(SystemFailure) {
    self.path = path
    file = try Files.open(path, O_WRONLY)
    buffer.reserveCapacity(Self.capacity)
  }

  deinit {
    close(file)
  }

  /// Adds one record, or the beginning of one whose bytes follow.
  package func add(_ record: [UInt8]) throws(SystemFailure) {
    records += 1
    try append(record)
  }

  /// Adds bytes of a file or a disk.
  package func add(from source: Int32, at offset: UInt64, length: UInt64, named name: String) throws {
    var (position, left) = (off_t(offset), length)
    while left > 0 {
      if buffer.count == Self.capacity { try flush() }
      let start = buffer.count
      let room = Int(min(UInt64(Self.capacity - start), left))
      buffer.append(contentsOf: repeatElement(0, count: room))
      let count = try checked("read \(name)") {
        buffer.withUnsafeMutableBytes { pread(source, $0.baseAddress.map { $0 + start }, room, position) }
      }
      guard count > 0 else { throw StepFailure(message: "\(name) became shorter while it was read") }
      buffer.removeLast(room - count)
      position += off_t(count)
      left -= UInt64(count)
    }
  }

  /// Writes what is left, and the header.
  package func finish() throws(SystemFailure) {
    try flush()
    let header = HandoverHeader(length: written, records: records, digest: hash.digest)
    try write(header.bytes, at: 0)
    try checked("flush \(path)") { fsync(file) }
  }

  private func append(_ bytes: [UInt8]) throws(SystemFailure) {
    if buffer.count + bytes.count > Self.capacity { try flush() }
    buffer += bytes
  }

  private func flush() throws(SystemFailure) {
    buffer.withUnsafeBytes { hash.update($0) }
    try write(buffer, at: HandoverHeader.streamOffset + written)
    written += UInt64(buffer.count)
    buffer.removeAll(keepingCapacity: true)
  }

  private func write(_ bytes: [UInt8], at offset: UInt64) throws(SystemFailure) {
    var done = 0
    while done < bytes.count {
      done += try checked("write what is handed over to \(path)") {
        bytes.withUnsafeBytes {
          pwrite(file, $0.baseAddress.map { $0 + done }, $0.count - done, off_t(offset) + off_t(done))
        }
      }
    }
  }
}

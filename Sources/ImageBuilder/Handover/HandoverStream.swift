internal import Basics
internal import Glibc
internal import SystemPackage

/// The bytes of a handover, read in order. None of them is believed: a number is checked before anything follows from it.
final class HandoverStream {
  private static let capacity = 64 << 10

  private let file: FilePath
  private let descriptor: CInt
  /// Where the bytes end in the file.
  private let end: UInt64
  private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 16)
  private var begin = 0
  private var filled = 0
  /// Where in the file the buffer's content ends.
  private var next: UInt64

  init(_ file: FilePath, _ range: Range<UInt64>) throws(Fault) {
    self.file = file
    descriptor = file.withPlatformString { open($0, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) }
    next = range.lowerBound
    end = range.upperBound
    guard descriptor >= 0 else { throw Fault(PathFailure("read", file, Errno(rawValue: errno))) }
  }

  deinit {
    buffer.deallocate()
    if descriptor >= 0 { close(descriptor) }
  }

  /// Where the next byte is in the file.
  var position: UInt64 { next - UInt64(filled - begin) }
  /// Bytes that are left.
  var left: UInt64 { end - position }

  func byte() throws(Fault) -> UInt8 {
    try fill(1)
    defer { begin += 1 }
    return buffer[begin]
  }

  func number<Value: FixedWidthInteger>(_: Value.Type) throws(Fault) -> Value {
    let size = MemoryLayout<Value>.size
    try fill(size)
    defer { begin += size }
    return Value(littleEndian: buffer.loadUnaligned(fromByteOffset: begin, as: Value.self))
  }

  /// - Parameter count: bounded by the caller, and below the buffer's size.
  func bytes(_ count: Int) throws(Fault) -> [UInt8] {
    try fill(count)
    defer { begin += count }
    return Array(buffer[begin..<begin + count])
  }

  /// Passes over bytes without reading them.
  func skip(_ count: UInt64) throws(Fault) {
    guard count <= left else { throw .handover(at: position, "\(count) bytes should follow, and \(left) do") }
    let inBuffer = UInt64(filled - begin)
    if count <= inBuffer {
      begin += Int(count)
    } else {
      next += count - inBuffer
      (begin, filled) = (0, 0)
    }
  }

  /// The next bytes, as many as there are, up to the size of the buffer; empty at the end.
  func piece() throws(Fault) -> UnsafeRawBufferPointer {
    (begin, filled) = (0, 0)
    try read()
    begin = filled
    return UnsafeRawBufferPointer(rebasing: buffer[..<filled])
  }

  /// Sees to it that so many bytes are in the buffer.
  private func fill(_ count: Int) throws(Fault) {
    guard filled - begin < count else { return }
    guard count <= Self.capacity, UInt64(count) <= left else {
      throw .handover(at: position, "it ends inside a record")
    }
    let rest = filled - begin
    buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer[begin..<filled]))
    (begin, filled) = (0, rest)
    while filled < count { try read() }
  }

  private func read() throws(Fault) {
    let room = Int(min(UInt64(Self.capacity - filled), end - next))
    guard room > 0, let base = buffer.baseAddress else { return }
    var count: Int
    repeat { count = pread(descriptor, base + filled, room, off_t(next)) } while count < 0 && errno == EINTR
    guard count >= 0 else { throw Fault(PathFailure("read", file, Errno(rawValue: errno))) }
    guard count > 0 else { throw .handover(at: next, "the disk ends there") }
    filled += count
    next += UInt64(count)
  }
}

extension Fault {
  /// What the guest handed over is not what it should be.
  static func handover(at offset: UInt64, _ reason: String) -> Fault {
    Fault(
      .failed, "what the guest installed cannot be taken over",
      cause: "at byte \(offset) of its archive: \(reason)")
  }
}

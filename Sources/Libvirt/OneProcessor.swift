internal import CLinux
internal import Foundation

/// Runs what asks the processor about itself on one processor, the same in every process.
///
/// libvirt's driver keeps what it has found out about QEMU as long as the host's CPUID is the same. It leaves the number of
/// the processor that it runs on out of the comparison, but not where leaf 0x1f has it, as in Intel's newer ones
/// (`virHostCPUGetCPUIDFilterVolatile`). So every second process asked all of QEMU anew, which takes seconds.
enum OneProcessor {
  /// The processors of a thread, one bit each.
  private typealias Mask = [UInt]

  /// As many processors as Linux can be built for.
  private static let maskWords = 8192 / UInt.bitWidth

  /// Runs `body` on the first processor that this thread may use; on any, where the kernel does not let it.
  ///
  /// Threads that are started meanwhile may use all of them in the end.
  static func run<Value>(_ body: () throws -> Value) rethrows -> Value {
    guard let all = mask(ofThread: 0), let word = all.firstIndex(where: { $0 != 0 }) else {
      return try body()
    }
    var one = Mask(repeating: 0, count: all.count)
    one[word] = all[word] & ~(all[word] &- 1)
    guard one != all, set(one, forThread: 0) else { return try body() }
    defer {
      for thread in threads() where mask(ofThread: thread) == one { _ = set(all, forThread: thread) }
    }
    return try body()
  }

  private static func threads() -> [Int32] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? []
    return names.compactMap { Int32($0) } + [0]
  }

  private static func mask(ofThread thread: Int32) -> Mask? {
    var mask = Mask(repeating: 0, count: maskWords)
    let bytes = slipway_get_affinity(thread, &mask, UInt(maskWords * MemoryLayout<UInt>.size))
    return bytes > 0 ? mask : nil
  }

  private static func set(_ mask: Mask, forThread thread: Int32) -> Bool {
    slipway_set_affinity(thread, mask, UInt(mask.count * MemoryLayout<UInt>.size)) == 0
  }
}

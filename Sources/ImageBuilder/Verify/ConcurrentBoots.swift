internal import Basics
internal import Foundation

/// Boots side by side, as many as the host has room for.
struct ConcurrentBoots {
  /// How many run at once.
  let limit: Int

  /// What QEMU takes beside the memory of its guest, in MiB.
  private static let overhead: UInt64 = 256

  /// As many as this host has room for; one on a libvirt that may be another host's.
  static func fitting(_ setup: BootSetup) -> Int {
    setup.machine.connection == nil ? fitting(memory: setup.memory) : 1
  }

  /// As many as this host has processors, and fewer where the memory that it has left would not do.
  ///
  /// - Parameters:
  ///   - memory: of each guest, in MiB.
  ///   - available: what the host has left, in MiB; nil where it does not say.
  static func fitting(
    memory: UInt64, processors: Int = ProcessInfo.processInfo.activeProcessorCount,
    available: UInt64? = availableMemory()
  ) -> Int {
    let (each, isTooMuch) = memory.addingReportingOverflow(overhead)
    let fitting = isTooMuch ? 0 : (available ?? .max) / each
    return max(1, min(processors, Int(clamping: fitting)))
  }

  /// Does it for each, and starts the next one when one has ended. The first error ends all.
  ///
  /// - Returns: the results in the order of `indices`.
  func results<Result: Sendable>(
    of indices: Range<Int>, _ body: @escaping @Sendable (Int) async throws -> Result
  ) async throws -> [Result] {
    try await withThrowingTaskGroup(of: (index: Int, result: Result).self) { group in
      var results: [Int: Result] = [:]
      for (started, index) in indices.enumerated() {
        if started >= limit, let ended = try await group.next() { results[ended.index] = ended.result }
        group.addTask { (index, try await body(index)) }
      }
      for try await ended in group { results[ended.index] = ended.result }
      return indices.compactMap { results[$0] }
    }
  }

  /// Memory that can be had without swapping, in MiB (proc_meminfo(5)).
  private static func availableMemory() -> UInt64? {
    let file = FileManager.default.contents(atPath: "/proc/meminfo")
    let lines = file.map { String(decoding: $0, as: UTF8.self).split(separator: "\n") }
    let line = lines?.first { $0.hasPrefix("MemAvailable:") }
    return line?.split(separator: " ").dropFirst().first.flatMap { UInt64($0) }.map { $0 >> 10 }
  }
}

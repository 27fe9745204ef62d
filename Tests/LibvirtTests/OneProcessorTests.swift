import Foundation
import Synchronization
import Testing

@testable import Libvirt

@Suite("What asks the processor about itself runs on one")
struct OneProcessorTests {
  @Test("It runs on the first processor, and nothing is left on it alone")
  func affinity() async throws {
    let seen = Mutex<(before: String, within: String, after: String, started: String)>(("", "", "", ""))
    // A thread of its own: tests share theirs.
    await withCheckedContinuation { continuation in
      Thread.detachNewThread {
        let (go, done) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        let before = Self.processors()
        let within = OneProcessor.run {
          Thread.detachNewThread {
            go.wait()
            seen.withLock { $0.started = Self.processors() }
            done.signal()
          }
          return Self.processors()
        }
        let after = Self.processors()
        go.signal()
        done.wait()
        seen.withLock { ($0.before, $0.within, $0.after) = (before, within, after) }
        continuation.resume()
      }
    }
    let found = seen.withLock { $0 }
    let first = try #require(found.before.split { !$0.isNumber }.first)
    #expect(found.within == first)
    #expect(found.after == found.before)
    #expect(found.started == found.before)
  }

  @Test("What it throws comes out, and the thread is as it was")
  func failure() {
    struct Failure: Error {}
    let before = Self.processors()
    #expect(throws: Failure.self) { try OneProcessor.run { throw Failure() } }
    #expect(Self.processors() == before)
  }

  /// The processors that this thread may use, as proc(5) lists them.
  private static func processors() -> String {
    let status = (try? String(contentsOfFile: "/proc/thread-self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") }
    return line.map { $0.split(separator: "\t").last.map(String.init) ?? "" } ?? ""
  }
}

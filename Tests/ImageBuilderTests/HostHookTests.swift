import Command
import Foundation
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import ImageBuilder

@Suite struct HostHookTests {
  private func hook(_ script: String, _ lines: @escaping @Sendable (String) -> Void = { _ in }) -> HostHook {
    HostHook(
      name: "postVM", script: script, runner: SubprocessRunner(),
      recorder: StepRecorder { if case .log(_, let line) = $0 { lines(line) } })
  }

  @Test func aScriptStartsInTheFolderWithNothingToRead() async throws {
    try await withScratchDirectory { scratch in
      let lines = Mutex<[String]>([])
      try await hook("pwd; echo \"$out $diskImage\"; cat; [ -t 0 ] || echo none; [[ -n $BASH ]]") { line in
        lines.withLock { $0.append(line) }
      }.run(in: scratch, environment: ["diskImage": "/d"])
      #expect(lines.withLock { $0 } == [scratch.string, "\(scratch) /d", "none"])
    }
  }

  @Test func theFirstFailureEndsItAndShowsItsLastLines() async throws {
    try await withScratchDirectory { scratch in
      let error = await #expect(throws: BuildError.self) {
        try await hook("echo before\nfalse\ntouch after").run(in: scratch)
      }
      #expect(error?.message == "postVM failed: 'bash' exited with status 1")
      #expect(error?.details.contains("| before") == true)
      let left = try FileManager.default.contentsOfDirectory(atPath: scratch.string)
      #expect(left.isEmpty)
    }
  }

  @Test func aFaultIsFoundAtItsLine() async throws {
    try await withScratchDirectory { scratch in
      let error = await #expect(throws: BuildError.self) {
        try await hook("true\nno-such-command").run(in: scratch)
      }
      #expect(error?.details.contains { $0.contains("line 2: no-such-command") } == true)
    }
  }

  @Test func anInterruptionEndsAllThatItStarted() async throws {
    try await withScratchDirectory { scratch in
      let hook = hook("sleep 3600 & echo $! > pid; wait")
      let task = Task { try await hook.run(in: scratch) }
      let file = scratch.appending("pid").string
      var text = ""
      while !text.hasSuffix("\n") {
        try await Task.sleep(for: .milliseconds(20))
        text = (try? String(contentsOfFile: file, encoding: .utf8)) ?? ""
      }
      task.cancel()
      await #expect(throws: CancellationError.self) { try await task.value }
      let pid = try #require(Int32(text.trimmingCharacters(in: .whitespacesAndNewlines)))
      // Whoever adopts the dead may not have buried it yet.
      let state = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)
      #expect(state == nil || state?.contains(") Z ") == true, "\(state ?? "")")
    }
  }
}

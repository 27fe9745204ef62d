internal import Basics
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
      let error = await #expect(throws: Fault.self) {
        try await hook("echo before\nfalse\ntouch after").run(in: scratch)
      }
      #expect(error?.message == "postVM failed: 'bash' exited with status 1")
      #expect(error?.evidence.contains("| before") == true)
      let left = try FileManager.default.contentsOfDirectory(atPath: scratch.string)
      #expect(left.isEmpty)
    }
  }

  @Test func aFaultIsFoundAtItsLine() async throws {
    try await withScratchDirectory { scratch in
      let error = await #expect(throws: Fault.self) {
        try await hook("true\nno-such-command").run(in: scratch)
      }
      #expect(error?.evidence.contains { $0.contains("line 2: no-such-command") } == true)
    }
  }

  /// VirtualBox's module calls them, which are functions of make-disk-image's builder.
  @Test func functionsOfMakeDiskImageAreThere() async throws {
    try await withScratchDirectory { scratch in
      let lines = Mutex<[String]>([])
      let script = """
        START=2048 SECTORS=6144
        echo offset=$(sectorsToBytes $START) $(sectorsToKilobytes $SECTORS)K
        printf '1\\n2\\n39\\n' | sum_lines
        echo $(compute_fudge 100000) $(round_to_nearest 5 $mebibyte) $mebibyte
        """
      try await hook(script) { line in lines.withLock { $0.append(line) } }.run(in: scratch)
      #expect(lines.withLock { $0 } == ["offset=1048576 3072K", "42", "5200 1048576 1048576"])
    }
  }

  /// Bash goes on after `echo $(name)`, whatever `-e` says.
  @Test(arguments: [
    "echo $(undefinedfn 2)\ntouch after", "x=$(echo $(undefinedfn 2) || true)\ntouch after",
    "echo `undefinedfn`\ntouch after", "false | true\ntouch after", "x=$(false; echo x)\ntouch after",
    "if true; then undefinedfn; fi\ntouch after",
  ])
  func aFailureInsideACommandEndsTheScript(script: String) async throws {
    try await withScratchDirectory { scratch in
      let error = await #expect(throws: Fault.self) { try await hook(script).run(in: scratch) }
      #expect(error?.message.hasPrefix("postVM failed: ") == true)
      if script.contains("$(") && script.contains("undefinedfn") {
        #expect(error?.message.contains("'undefinedfn', which is neither a command") == true)
      }
      let left = try FileManager.default.contentsOfDirectory(atPath: scratch.string)
      #expect(left.isEmpty)
    }
  }

  @Test func aCommandThatIsAskedForFirstEndsNothing() async throws {
    try await withScratchDirectory { scratch in
      try await hook(
        "undefinedfn || true; x=$(command -v undefinedfn || echo none); [ $x = none ]; touch after"
      )
      .run(in: scratch)
      let left = try FileManager.default.contentsOfDirectory(atPath: scratch.string)
      #expect(left == ["after"])
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

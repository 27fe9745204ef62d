import Command
import Synchronization
import Testing

@Suite struct SubprocessRunnerTests {
  private let runner = SubprocessRunner()

  @Test func standardOutputIsReturnedAndBothStreamsAreLogged() async throws {
    let lines = Mutex<[String]>([])
    let output = try await runner.run(Command("sh", ["-c", "echo out; echo err >&2"])) { line in
      lines.withLock { $0.append(line) }
    }
    #expect(output == "out")
    #expect(lines.withLock { $0.sorted() } == ["err", "out"])
  }

  @Test func inputAndEnvironmentReachTheCommand() async throws {
    let command = Command("sh", ["-c", "cat; echo $WORD"], environment: ["WORD": "set"], input: "given\n")
    #expect(try await runner.run(command) == "given\nset")
  }

  @Test func aFailureCarriesTheStatusTheCommandAndItsLastLines() async throws {
    let command = Command("sh", ["-c", "seq 1 40; exit 7"])
    let failure = try await #require(throws: CommandFailure.self) { try await runner.run(command) }
    #expect(failure.reason == .exited(7))
    #expect(failure.tail == ["(… 10 lines …)"] + (11...40).map(String.init))
    #expect(failure.description.contains("$ sh -c 'seq 1 40; exit 7'"))
  }

  @Test func aSignalIsNotAnExit() async throws {
    let command = Command("sh", ["-c", "kill -9 $$"])
    let failure = try await #require(throws: CommandFailure.self) { try await runner.run(command) }
    #expect(failure.reason == .signalled(9))
  }

  @Test func aMissingExecutableIsNamed() async throws {
    let failure = try await #require(throws: CommandFailure.self) { try await runner.run("no-such-tool") }
    guard case .notStarted = failure.reason else {
      Issue.record("expected notStarted, got \(failure.reason)")
      return
    }
    #expect(failure.description.contains("no-such-tool"))
  }

  @Test func anEmptyEnvironmentHidesTheCallers() async throws {
    let runner = SubprocessRunner(environment: ["PATH": "/usr/bin:/bin"])
    #expect(try await runner.run("sh", "-c", "echo ${HOME-none}") == "none")
  }

  @Test func anEndlessOutputIsCutOff() async throws {
    let failure = try await #require(throws: CommandFailure.self) {
      try await runner.run("yes", String(repeating: "y", count: 4000))
    }
    #expect(failure.reason == .tooMuchOutput)
  }

  @Test(arguments: [
    "yes '' | head -n 400000", "yes '' | head -n 400000 >&2", "yes >&2", "head -c 6000000 /dev/zero >&2",
  ])
  func bothStreamsAreBoundedByBytesAndByLines(script: String) async throws {
    let failure = try await #require(throws: CommandFailure.self) { try await runner.run("sh", "-c", script) }
    #expect(failure.reason == .tooMuchOutput)
    #expect(failure.tail.allSatisfy { $0.utf8.count < 3000 })
  }

  @Test func emptyLinesAreKept() async throws {
    #expect(try await runner.run("printf", "a\n\nb\n") == "a\n\nb")
  }

  @Test func theCauseBeforeATracebackIsShown() async throws {
    let script = """
      echo 'Failed to write: the ESP is not mounted' >&2
      echo 'Traceback (most recent call last):' >&2
      for n in $(seq 1 40); do echo "  File \\"x.py\\", line $n" >&2; echo '    run()' >&2; done
      echo 'subprocess.CalledProcessError: bootctl returned 1' >&2
      exit 1
      """
    let failure = try await #require(throws: CommandFailure.self) { try await runner.run("sh", "-c", script) }
    #expect(
      failure.tail == [
        "Failed to write: the ESP is not mounted", "Traceback (most recent call last):",
        "subprocess.CalledProcessError: bootctl returned 1",
      ])
  }

  @Test func outputThatIsOnlyShownHasNoEnd() async throws {
    let count = Mutex(0)
    let script = "yes | head -n 300000; yes '' | head -n 300000 >&2"
    let output = try await runner.run(Command("sh", ["-c", script], output: .shown)) { _ in
      count.withLock { $0 += 1 }
    }
    #expect(output == "")
    #expect(count.withLock { $0 } == 600_000)
  }

  @Test func whatIsNotThereIsToldApartFromWhatCannotStart() async throws {
    let missing = try await #require(throws: CommandFailure.self) { try await runner.run("no-such-tool") }
    #expect(missing.isNotFound)
    let byEnv = try await #require(throws: CommandFailure.self) {
      try await runner.run("env", "no-such-tool")
    }
    #expect(byEnv.isNotFound)
    let long = [String](repeating: String(repeating: "x", count: 100_000), count: 40)
    let tooLong = try await #require(throws: CommandFailure.self) {
      try await runner.run(Command("echo", long))
    }
    #expect(!tooLong.isNotFound)
  }

  @Test func everyCommandCarriesTheMark() async throws {
    #expect(try await runner.run("sh", "-c", "echo SLIPWAY_RUN=$SLIPWAY_RUN") == ProcessMark.setting)
    #expect(try await SubprocessRunner(isMarked: false).run("sh", "-c", "echo $SLIPWAY_RUN") == "")
  }

  @Test func cancellationEndsTheCommand() async throws {
    let task = Task { try await runner.run("sleep", "60") }
    try await Task.sleep(for: .milliseconds(200))
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
  }

  @Test(arguments: [("plain", "plain"), ("", "''"), ("a b", "'a b'"), ("it's", "'it'\\''s'"), ("$x", "'$x'")])
  func wordsAreQuotedForAShell(word: String, quoted: String) {
    #expect(Command("c", [word]).description == "c \(quoted)")
  }
}

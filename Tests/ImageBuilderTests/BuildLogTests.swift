internal import Basics
import Command
import Foundation
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import ImageBuilder

@Suite struct BuildLogTests {
  private func text(of log: BuildLog) throws -> String {
    var bytes: [UInt8] = []
    try log.read { bytes += $0 }
    return String(decoding: bytes, as: UTF8.self)
  }

  @Test func allThatAStepPrintedIsKeptAndEscaped() async throws {
    try await withScratchDirectory { scratch in
      let log = BuildLog()
      try log.open(in: scratch)
      let named = try FileManager.default.contentsOfDirectory(atPath: scratch.string)
      #expect(named.isEmpty)
      for number in 1...1000 { log.note(.log(.merge, line: "line \(number)")) }
      log.note(.failed(.merge, seconds: 1, reason: "it \u{1B}]0;x\nforged"))
      let text = try text(of: log)
      #expect(text.contains("  merge| line 1\n"))
      #expect(text.contains("  merge| line 1000\n"))
      #expect(text.contains("failed: it \\u{1B}]0;x\\u{A}forged\n"))
    }
  }

  @Test func aLogWithoutEndKeepsItsBeginningAndItsEnd() async throws {
    try await withScratchDirectory { scratch in
      let log = BuildLog(headLimit: 10_000, tailLimit: 30_000)
      try log.open(in: scratch)
      let line = String(repeating: "x", count: 1000)
      for number in 1...100 { log.note(.log(.pour, line: "\(number) \(line)")) }
      let text = try text(of: log)
      #expect(text.utf8.count < 41_000)
      #expect(text.contains("pour| 1 x"))
      #expect(text.contains("pour| 100 x"))
      #expect(text.contains("bytes are left out"))
    }
  }

  @Test(arguments: [true, false])
  func theLogOfAFailureSaysWhyAndIsAsPrivateAsTheImage(isPrivate: Bool) async throws {
    try await withScratchDirectory { scratch in
      let log = BuildLog()
      try log.open(in: scratch)
      log.note(.log(.digest, line: "the cause"))
      let console = scratch.appending("console")
      try HostFiles.write(Array("booting\u{1B}[2J\r\nlogin".utf8), to: console)
      let kept = FailureLog(for: scratch.appending("out"), at: nil, isPrivate: isPrivate)
      let error = await kept.keep(
        Fault(.failed, "it failed", evidence: ["$ tool"]), log, console: console)
      let path = scratch.appending("out.failed.log")
      #expect(error.log == path.string)
      #expect(error.description.hasSuffix("The whole output is in \(path)"))
      let text = String(decoding: try HostFiles.read(path), as: UTF8.self)
      for part in ["it failed\n", "  $ tool\n", "digest| the cause\n", "booting\nlogin\n"] {
        #expect(text.contains(part), "\(text)")
      }
      #expect(try FileStatus(of: path).permissions & 0o077 == (isPrivate ? 0 : 0o044))
      kept.removeEarlier()
      #expect(!HostFiles.exists(path))
    }
  }

  @Test func aFileOfTheUsersIsNeitherReplacedNorRemoved() async throws {
    try await withScratchDirectory { scratch in
      let path = scratch.appending("notes")
      try HostFiles.write(Array("mine".utf8), to: path)
      let log = BuildLog()
      try log.open(in: scratch)
      let kept = FailureLog(for: scratch.appending("out"), at: path.string, isPrivate: false)
      let error = await kept.keep(Fault(.failed, "it failed"), log, console: "/nowhere")
      #expect(error.log == nil)
      #expect(error.evidence.contains { $0.contains("no log is kept") })
      kept.removeEarlier()
      #expect(try HostFiles.read(path) == Array("mine".utf8))
    }
  }

  @Test func aStepThatFailsSaysSoAndOneThatIsInterruptedDoesNot() async throws {
    let events = Mutex<[BuildEvent]>([])
    let recorder = StepRecorder { event in events.withLock { $0.append(event) } }
    await #expect(throws: Fault.self) {
      try await recorder.step(.pour) { throw Fault(.failed, "the cause", remedy: "do", evidence: ["x"]) }
    }
    await #expect(throws: CancellationError.self) {
      try await recorder.step(.boot) { throw CancellationError() }
    }
    let shown = events.withLock { $0 }
    guard case .failed(.pour, _, "the cause") = shown[1], case .stopped(.boot, _) = shown[3] else {
      Issue.record("\(shown)")
      return
    }
  }

  @Test func aDigestIsCancelledAndNamesItsFile() async throws {
    try await withScratchDirectory { scratch in
      let disk = scratch.appending("disk")
      try HostFiles.makeSparseFile(disk, bytes: 3 << 40)
      let task = Task { try await FileDigest.sha256(of: disk) }
      while !Self.isOpen(disk) { try await Task.sleep(for: .milliseconds(10)) }
      // By a thread of its own: tasks wait for the tests that run beside this one.
      let seconds = Mutex<Duration?>(nil)
      let watch = Thread {
        let start = ContinuousClock.now
        while Self.isOpen(disk) { Thread.sleep(forTimeInterval: 0.01) }
        seconds.withLock { $0 = ContinuousClock.now - start }
      }
      task.cancel()
      watch.start()
      await #expect(throws: CancellationError.self) { try await task.value }
      var taken: Duration?
      while taken == nil {
        try await Task.sleep(for: .milliseconds(10))
        taken = seconds.withLock { $0 }
      }
      #expect(try #require(taken) < .seconds(5))
      let error = await #expect(throws: Fault.self) {
        try await FileDigest.sha256(of: scratch.appending("none"))
      }
      #expect(error?.message == "could not read \(scratch.appending("none")): No such file or directory")
    }
  }

  /// Whether this process has a file open.
  private static func isOpen(_ file: FilePath) -> Bool {
    let folder = "/proc/self/fd"
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.contains {
      (try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\($0)")) == file.string
    }
  }

  @Test func theReasonIsThatOfTheCallThatFailed() throws {
    let error = #expect(throws: Fault.self) { try HostFiles.read("/nowhere/at/all") }
    #expect(error?.message == "could not open /nowhere/at/all: No such file or directory")
    let unwritable = #expect(throws: Fault.self) { try HostFiles.write([1], to: "/proc/version/x") }
    #expect(unwritable?.message == "could not write /proc/version/x: Not a directory")
    let tooLarge = #expect(throws: Fault.self) {
      try HostFiles.makeSparseFile("/nowhere/x", bytes: 1 << 63)
    }
    #expect(tooLarge?.kind == .badInput)
  }

  @Test func aToolThatIsMissingIsNotAFullDisk() async throws {
    let command = HostCommand(attempt: "convert the disk", place: "/tmp", package: "qemu-utils")
    let missing = await #expect(throws: Fault.self) {
      try await command.run { try await SubprocessRunner().run("no-such-tool") }
    }
    #expect(missing?.kind == .hostNotAble)
    #expect(missing?.remedy == "Install qemu-utils")
    let other = await #expect(throws: Fault.self) {
      try await command.run { try await SubprocessRunner().run("sh", "-c", "echo odd >&2; exit 3") }
    }
    #expect(other?.kind == .failed)
    #expect(other?.remedy == nil)
    let full = await #expect(throws: Fault.self) {
      try await command.run {
        try await SubprocessRunner().run("sh", "-c", "echo 'write: No space left on device' >&2; exit 1")
      }
    }
    #expect(full?.message.contains("is full") == true)
    let quota = await #expect(throws: Fault.self) {
      try await command.run {
        try await SubprocessRunner().run("sh", "-c", "echo 'write: Disk quota exceeded' >&2; exit 1")
      }
    }
    #expect(quota?.message.contains("quota") == true)
  }
}

internal import Basics
internal import Command
internal import Foundation
internal import SystemPackage
internal import TestSupport
internal import Testing

@testable internal import BuildMachine

@Suite(.timeLimit(.minutes(1))) struct WatchdogTests {
  /// A process of which the pid file of a domain below `folder` tells; it names `argument` in its command line.
  private func hypervisor(naming argument: FilePath, below folder: FilePath, domain: String) throws
    -> SpawnedProcess
  {
    let pids = folder.appending("libvirt").appending("run").appending("qemu")
    try FileManager.default.createDirectory(atPath: pids.string, withIntermediateDirectories: true)
    let process = try SpawnedProcess(["/bin/sh", "-c", "while :; do sleep 1; done", argument.string])
    try Data("\(process.identifier)\n".utf8)
      .write(to: URL(fileURLWithPath: pids.appending("\(domain).pid").string))
    return process
  }

  private func exists(_ path: FilePath) -> Bool {
    FileManager.default.fileExists(atPath: path.string)
  }

  @Test func clearsHypervisorsLeftoversAndTheFolder() async throws {
    try await withScratchDirectory { scratch in
      let folder = scratch.appending("user").appending("12345678")
      let ours = try hypervisor(
        naming: folder.appending("libvirt").appending("monitor"), below: folder, domain: "ours")
      // The pid of a domain that ended long ago, now another process's.
      let other = try hypervisor(naming: "/elsewhere/12345678", below: folder, domain: "other")
      defer { other.terminate() }
      let links = folder.appending("leftovers")
      let temporary = scratch.appending("a temporary folder")
      for directory in [links, temporary] {
        try FileManager.default.createDirectory(atPath: directory.string, withIntermediateDirectories: true)
      }
      try FileManager.default.createSymbolicLink(
        atPath: links.appending("1").string, withDestinationPath: temporary.string)

      try await Watchdog.clear(folder)
      #expect(!exists(folder))
      #expect(!exists(temporary))
      #expect(other.isRunning)
      #expect(ours.wait() == SIGKILL)
    }
  }

  /// Makes the folder of a process that is gone, with one leftover.
  private func folder(in scratch: FilePath, mark: String, leftover: FilePath) throws -> FilePath {
    let folder = scratch.appending("user").appending("12345678")
    let links = folder.appending("leftovers")
    try FileManager.default.createDirectory(atPath: links.string, withIntermediateDirectories: true)
    try FileManager.default.createSymbolicLink(
      atPath: links.appending("1").string, withDestinationPath: leftover.string)
    try writeFile(folder.appending("mark"), mark)
    return folder
  }

  /// What a process of ours has started goes with it, however it was put into the background.
  @Test func everyCommandOfTheProcessIsKilledAndWhatItStarted() async throws {
    try await withScratchDirectory { scratch in
      let mark = ClaimedFolder.uniqueName("SLIPWAY_RUN=test-")
      let temporary = scratch.appending("temporary")
      let folder = try folder(in: scratch, mark: mark, leftover: temporary)
      // A double fork, a session of its own, a group of its own without the mark, and one that writes all the time.
      let script = """
        mkdir "$1"
        (sleep 1001 &)
        setsid sleep 1002 &
        sh -c 'env -i /bin/sleep 1003 & wait' &
        (while :; do mkdir -p "$1/d$RANDOM$$"; : >"$1/$(date +%N)"; done) &
        echo started
        sleep 1004
        """
      let output = scratch.appending("output")
      let child = try SpawnedProcess(
        ["setsid", "env", mark, "sh", "-c", script, "sh", temporary.string], output: output)
      while try Data(contentsOf: URL(filePath: output.string)).isEmpty {
        try await Task.sleep(for: .milliseconds(10))
      }
      try await Watchdog.clear(folder)
      child.wait()
      #expect(!exists(folder))
      #expect(!exists(temporary))
      let processes = try await SubprocessRunner().run("ps", "-eww", "-o", "args=")
      for number in 1001...1004 { #expect(!processes.contains("sleep \(number)")) }
    }
  }

  @Test(.enabled(if: geteuid() == 0)) func anOrdinaryUsersFoldersWithoutPermissionsAreRemoved() async throws {
    try await withScratchDirectory { scratch in
      let temporary = scratch.appending("temporary")
      let folder = try folder(in: scratch, mark: "SLIPWAY_RUN=none", leftover: temporary)
      let runner = SubprocessRunner()
      try await runner.run(
        "sh", "-c",
        """
        mkdir -p "$1/a/b" && echo x >"$1/a/b/file" && chmod 555 "$1/a/b" "$1/a" "$1" && chown -R nobody "$2" "$3"
        """, "sh", temporary.string, scratch.string, scratch.string)
      try await runner.run(
        Command(
          "setpriv",
          Array(OrdinaryUser.wrapper.dropFirst()) + ["sh", "-c", Watchdog.script, "sh", folder.string],
          input: "in order\n"))
      #expect(!exists(folder))
      #expect(!exists(temporary))
    }
  }

  @Test func onlyAbandonedFoldersAreStale() async throws {
    try await withScratchDirectory { base in
      let held = try ClaimedFolder.make(at: base.appending(ClaimedFolder.uniqueName("")), mode: 0o700)
      let abandoned = try ClaimedFolder.make(at: base.appending(ClaimedFolder.uniqueName("")), mode: 0o700)
      let other = base.appending("other")
      try FileManager.default.createDirectory(atPath: other.string, withIntermediateDirectories: false)
      defer { held.release() }
      abandoned.release()

      await ProcessFolder.clearStale(below: base)
      #expect(exists(held.path))
      #expect(!exists(abandoned.path))
      #expect(exists(other))
    }
  }

  @Test func theLastProcessOfAUserRemovesTheirCommonFolder() async throws {
    try await withScratchDirectory { scratch in
      let base = scratch.appending("slipway-1000")
      try makePrivateFolder(base)
      let folders = [base.appending("1"), base.appending("2")]
      for folder in folders { try makePrivateFolder(folder) }
      try await Watchdog.clear(folders[0])
      #expect(exists(base))
      try await Watchdog.clear(folders[1])
      #expect(!exists(base))
    }
  }

  @Test func theDriverIsToldLessAsAnOrdinaryUser() {
    let user = EmbeddedDriver.configuration(isRoot: false)
    #expect(user.contains("stdio_handler = \"file\"\n"))
    #expect(!user.contains("user ="))
    #expect(EmbeddedDriver.configuration(isRoot: true).contains("user = \"+0\"\n"))
  }
}

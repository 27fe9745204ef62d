internal import Foundation
internal import SystemPackage
internal import TestSupport
internal import Testing

@testable internal import BuildMachine

@Suite(.timeLimit(.minutes(1))) struct WatchdogTests {
  /// A process of which the pid file of a domain below `folder` tells; it names `argument` in its command line.
  private func hypervisor(naming argument: FilePath, below folder: FilePath, domain: String) throws -> Process
  {
    let pids = folder.appending("libvirt").appending("run").appending("qemu")
    try FileManager.default.createDirectory(atPath: pids.string, withIntermediateDirectories: true)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", "while :; do sleep 1; done", argument.string]
    try process.run()
    try Data("\(process.processIdentifier)\n".utf8)
      .write(to: URL(fileURLWithPath: pids.appending("\(domain).pid").string))
    return process
  }

  private func exists(_ path: FilePath) -> Bool {
    FileManager.default.fileExists(atPath: path.string)
  }

  @Test func clearsHypervisorsLeftoversAndTheFolder() async throws {
    try await withScratchDirectory { scratch in
      let folder = scratch.appending("12345678")
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
      ours.waitUntilExit()
      #expect(ours.terminationReason == .uncaughtSignal)
      #expect(ours.terminationStatus == SIGKILL)
    }
  }

  @Test func onlyAbandonedFoldersAreStale() async throws {
    try await withScratchDirectory { base in
      let (held, abandoned, other) = (
        base.appending("held"), base.appending("abandoned"), base.appending("other")
      )
      for folder in [held, abandoned, other] {
        try FileManager.default.createDirectory(atPath: folder.string, withIntermediateDirectories: false)
      }
      _ = FileManager.default.createFile(atPath: abandoned.appending("lock").string, contents: nil)
      let lock = try FileDescriptor.open(
        held.appending("lock"), .readWrite, options: .create, permissions: .ownerReadWrite)
      defer { try? lock.close() }
      #expect(flock(lock.rawValue, LOCK_EX | LOCK_NB) == 0)

      await ProcessFolder.clearStale(below: base)
      #expect(exists(held))
      #expect(!exists(abandoned))
      #expect(exists(other))
    }
  }

  @Test func theDriverIsToldLessAsAnOrdinaryUser() {
    let user = EmbeddedDriver.configuration(isRoot: false)
    #expect(user.contains("stdio_handler = \"file\"\n"))
    #expect(!user.contains("user ="))
    #expect(EmbeddedDriver.configuration(isRoot: true).contains("user = \"+0\"\n"))
  }
}

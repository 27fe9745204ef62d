internal import AgentProtocol
internal import Basics
internal import Command
internal import SystemPackage
internal import TestSupport
internal import Testing

@testable internal import InstallSteps

@Suite("finish")
struct FinishTests {
  @Test("what identifies one machine is removed, and nothing else")
  func machineState() async throws {
    try await withScratchDirectory { root in
      let removed = [
        "etc/machine-id", "var/lib/systemd/random-seed", "var/lib/systemd/credential.secret",
        "loader/random-seed", "etc/ssh/ssh_host_rsa_key", "etc/ssh/ssh_host_ed25519_key.pub",
      ]
      let kept = ["etc/NIXOS", "loader/loader.conf", "var/lib/systemd/timers", "etc/ssh/ssh_config"]
      for name in removed + kept { try root.appending(name).write("x") }
      for _ in 0..<2 { try removeMachineState(below: root.string) }
      #expect(removed.filter { root.appending($0).isThere } == [])
      #expect(kept.filter { !root.appending($0).isThere } == [])
    }
  }

  @Test("what the contents have brought of it stays, and is told of")
  func keptState() async throws {
    try await withScratchDirectory { root in
      for name in ["etc/machine-id", "var/lib/systemd/random-seed"] { try root.appending(name).write("x") }
      let (kept, absent) = ("\(root)/etc/machine-id", "\(root)/loader/random-seed")
      var found: [String: Bool] = [:]
      try removeMachineState(below: root.string, except: [kept, absent]) { found[$0] = $1 }
      #expect(found == [kept: true, "\(root)/var/lib/systemd/random-seed": false])
      #expect(root.appending("etc/machine-id").isThere)
      #expect(!root.appending("var/lib/systemd/random-seed").isThere)
    }
  }

  @Test("a link of the system's configuration stays")
  func configuredState() async throws {
    try await withScratchDirectory { root in
      let place = root.appending("etc/machine-id")
      try root.appending("etc/id").write("x")
      try await SubprocessRunner().run("ln", "-s", "id", place.string)
      try removeMachineState(below: root.string)
      #expect(place.isThere)
    }
  }

  @Test("a process left in the chroot is ended, and no other", .needsRoot, .timeLimit(.minutes(1)))
  func processes() async throws {
    try await withScratchDirectory { root in
      let runner = SubprocessRunner()
      try await runner.run("cp", "/bin/busybox", root.appending("busybox").string)
      try await withThrowingTaskGroup(of: CommandFailure.Reason?.self) { group in
        group.addTask {
          do {
            // The sleeper says that it is in, so that it is not looked for too early.
            try await runner.run(
              "chroot", root.string, "/busybox", "sh", "-c", "/busybox touch /in; exec /busybox sleep 50")
            return nil
          } catch let failure as CommandFailure {
            return failure.reason
          }
        }
        while !root.appending("in").isThere { try await Task.sleep(for: .milliseconds(10)) }
        try await onThread { try endProcesses(inRoot: root.string) }
        #expect(try await group.next() == .signalled(9))
      }
    }
  }

  @Test("mount points are read as the kernel writes them")
  func mountInfo() {
    let text = #"""
      22 1 254:2 / / rw,relatime shared:1 - ext4 /dev/vda2 rw
      31 22 0:5 / /mnt/with\040space\134 rw - devtmpfs devtmpfs rw
      """#
    #expect(mounts(ofMountInfo: text).map(\.place) == ["/", #"/mnt/with space\"#])
  }
}

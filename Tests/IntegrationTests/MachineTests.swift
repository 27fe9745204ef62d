internal import Basics
import BuildMachine
import Command
import Foundation
import SystemPackage
import TestSupport
import Testing

/// Machines alone, without an agent or an image: how they start, end, and are cleaned up after.
@Suite(.virtualMachines, .serialized, .timeLimit(.minutes(5))) struct MachineTests {
  @Test func aGuestThatPowersOffIsSeenToAndLeavesNothing() async throws {
    try await withScratchDirectory { scratch in
      let configuration = try await machine(in: scratch, action: "poweroff")
      let directory = try await withMachine(configuration) { machine in
        #expect(FileManager.default.fileExists(atPath: machine.session.directory.string))
        let end = try await machine.ended()
        #expect(end == .shutDown)
        #expect(machine.console.lastLines.contains("SLIPWAY-TEST-GUEST"))
        return machine.session.directory
      }
      #expect(!FileManager.default.fileExists(atPath: directory.string))
      #expect(try await guests(of: scratch).isEmpty)
      // The log stays where the configuration wants it.
      let log = try String(contentsOfFile: scratch.appending("console.log").string, encoding: .utf8)
      #expect(log.contains("SLIPWAY-TEST-GUEST"))
    }
  }

  @Test func aPanicIsTheCause() async throws {
    try await withScratchDirectory { scratch in
      let configuration = try await machine(in: scratch, action: "panic")
      try await withMachine(configuration) { machine in
        let end = try await machine.ended()
        #expect("\(end)".contains("Kernel panic - not syncing: Attempted to kill init!"))
      }
    }
  }

  @Test func aMachineWithoutAnyOutputIsGivenUp() async throws {
    try await withScratchDirectory { scratch in
      var configuration = try await machine(in: scratch, action: "sleep")
      let limit = Duration.milliseconds(10)
      configuration.firstByteLimit = limit
      try await withMachine(configuration) { machine in
        let end = try await machine.ended()
        #expect(end == .silent(limit))
        let error = await #expect(throws: Fault.self) {
          _ = try await machine.connectAgent(build: "test", within: .seconds(30))
        }
        #expect(error?.cause.contains("no sign of life") == true)
      }
      #expect(try await guests(of: scratch).isEmpty)
    }
  }

  @Test func aGuestThatPrintsWithoutEndIsEnded() async throws {
    try await withScratchDirectory { scratch in
      var configuration = try await machine(in: scratch, action: "flood")
      configuration.consoleLimit = 1 << 20
      try await withMachine(configuration) { machine in
        let end = try await machine.ended()
        #expect(end == .talkative(1 << 20))
      }
      #expect(try await guests(of: scratch).isEmpty)
      let log = try FileManager.default.attributesOfItem(atPath: scratch.appending("console.log").string)
      #expect((log[.size] as? UInt64 ?? .max) < 32 << 20)
    }
  }

  @Test func anErrorOfTheBodyEndsTheMachine() async throws {
    struct Unrelated: Error {}
    try await withScratchDirectory { scratch in
      let configuration = try await machine(in: scratch, action: "sleep")
      await #expect(throws: Unrelated.self) {
        try await withMachine(configuration) { _ in
          #expect(try await guests(of: scratch).count == 1)
          throw Unrelated()
        }
      }
      #expect(try await guests(of: scratch).isEmpty)
    }
  }

  @Test func cancellationEndsTheMachine() async throws {
    try await withScratchDirectory { scratch in
      let configuration = try await machine(in: scratch, action: "sleep")
      let task = Task {
        try await withMachine(configuration) { machine in
          _ = try await machine.connectAgent(build: "test", within: .seconds(250))
        }
      }
      try await Task.sleep(for: .seconds(3))
      task.cancel()
      await #expect(throws: CancellationError.self) { try await task.value }
      #expect(try await guests(of: scratch).isEmpty)
    }
  }

  @Test func aKilledHypervisorIsACrash() async throws {
    try await withScratchDirectory { scratch in
      let configuration = try await machine(in: scratch, action: "sleep")
      try await withMachine(configuration) { machine in
        for guest in try await guests(of: scratch) {
          let pid = try #require(guest.split(separator: " ").first.map(String.init))
          try await SubprocessRunner().run("kill", "-KILL", pid)
        }
        #expect(try await machine.ended() == .crashed)
      }
    }
  }

  @Test func twoMachinesRunAtOnce() async throws {
    try await withScratchDirectory { scratch in
      let configuration = try await machine(in: scratch, action: "sleep", log: "1.log")
      let another = try await machine(in: scratch, action: "sleep", log: "2.log")
      try await withMachine(configuration) { first in
        try await withMachine(another) { second in
          #expect(first.session.name != second.session.name)
          let both = try await guests(of: scratch)
          #expect(both.count == 2)
        }
        #expect(try await guests(of: scratch).count == 1)
      }
    }
  }

  /// libvirt has room for some 16 openings of its embedded driver in a process.
  @Test func aProcessMayHaveManyMachinesOneAfterAnother() async throws {
    try await withScratchDirectory { scratch in
      let configuration = try await machine(in: scratch, action: "poweroff")
      for _ in 0..<20 { try await withMachine(configuration) { _ in } }
      #expect(try await guests(of: scratch).isEmpty)
    }
  }

  @Test func aScreenIsAPNG() async throws {
    try await withScratchDirectory { scratch in
      let video = "<video><model type='vga'/></video>"
      let configuration = try await machine(in: scratch, action: "sleep", devices: video)
      let picture = scratch.appending("screen.png")
      try await withMachine(configuration) { machine in try await machine.screenshot(to: picture) }
      let bytes = try Data(contentsOf: URL(fileURLWithPath: picture.string))
      #expect(bytes.starts(with: [0x89, 0x50, 0x4E, 0x47]))
    }
  }

  @Test func aRefusalOfLibvirtsIsTheHostsFault() async throws {
    let configuration = MachineConfiguration { session in "<domain><name>\(session.name)</name></domain>" }
    let error = await #expect(throws: Fault.self) { try await withMachine(configuration) { _ in } }
    #expect(error?.kind == .hostNotAble)
    #expect(error?.cause.contains("libvirt could not start the domain") == true)
  }

  @Test func noMachineOutlivesAKilledProcess() async throws {
    try await withScratchDirectory { scratch in
      let folder = scratch.string
      let temporary = scratch.appending("half-written")
      try Data().write(to: URL(fileURLWithPath: temporary.string))
      await #expect(processExitsWith: .signal(SIGKILL)) { [folder = folder as String] in
        let scratch = FilePath(folder)
        _ = try await ProcessFolder.removeAtExit(scratch.appending("half-written"))
        let configuration = try await machine(in: scratch, action: "sleep")
        try await withMachine(configuration) { machine in
          let directory = Data(machine.session.directory.string.utf8)
          try directory.write(to: URL(fileURLWithPath: scratch.appending("directory").string))
          #expect(try await guests(of: scratch).count == 1)
          kill(getpid(), SIGKILL)
        }
      }
      let directory = try String(contentsOfFile: scratch.appending("directory").string, encoding: .utf8)
      let killed = ContinuousClock.now
      while try await !guests(of: scratch).isEmpty || FileManager.default.fileExists(atPath: directory) {
        try #require(ContinuousClock.now - killed < .seconds(10), "the machine has outlived its process")
        try await Task.sleep(for: .milliseconds(100))
      }
      #expect(!FileManager.default.fileExists(atPath: temporary.string))
    }
  }
}

/// A machine with OVMF and a guest whose first process says that it is up, and then does `action`.
private func machine(
  in scratch: FilePath, action: String, devices: String = "", log: String = "console.log"
) async throws -> MachineConfiguration {
  let kernel = try GuestKernel.path()
  let initramfs = scratch.appending("initramfs")
  try await makeInitramfs(initramfs, in: scratch)
  return MachineConfiguration(consoleLog: scratch.appending(log)) { session in
    let variables = session.directory.appending("variables.fd")
    try FileManager.default.copyItem(atPath: "/usr/share/OVMF/OVMF_VARS_4M.fd", toPath: variables.string)
    return """
      <domain type='qemu'>
        <name>\(session.name)</name>
        <uuid>\(session.uuid)</uuid>
        <memory unit='MiB'>256</memory>
        <vcpu>1</vcpu>
        <os>
          <type arch='x86_64' machine='q35'>hvm</type>
          <loader type='pflash' readonly='yes'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>
          <nvram>\(variables)</nvram>
          <kernel>\(kernel)</kernel>
          <initrd>\(initramfs)</initrd>
          <cmdline>console=ttyS0 panic=-1 action=\(action)</cmdline>
        </os>
        <features><acpi/></features>
        <on_reboot>destroy</on_reboot>
        <on_crash>destroy</on_crash>
        <devices>
          <controller type='usb' model='none'/>
          <serial type='file'><source path='\(session.consoleLog)'/><target port='0'/></serial>
          <channel type='unix'>
            <source mode='bind' path='\(session.agentSocket)'/>
            <target type='virtio' name='org.slipway.agent.0'/>
          </channel>
          <memballoon model='none'/>
          \(devices)
        </devices>
      </domain>
      """
  }
}

private func makeInitramfs(_ file: FilePath, in scratch: FilePath) async throws {
  guard !FileManager.default.fileExists(atPath: file.string) else { return }
  let script = """
    #!/bin/busybox sh
    /bin/busybox mkdir -p /proc
    /bin/busybox mount -t proc proc /proc
    echo SLIPWAY-TEST-GUEST
    read -r line < /proc/cmdline
    case "$line" in
      *action=poweroff*) exec /bin/busybox poweroff -f ;;
      *action=flood*) exec /bin/busybox yes ;;
      *action=sleep*) exec /bin/busybox sleep 600 ;;
    esac
    """
  let root = scratch.appending("initramfs.d")
  let bin = root.appending("bin")
  try FileManager.default.createDirectory(atPath: bin.string, withIntermediateDirectories: true)
  try FileManager.default.copyItem(atPath: "/bin/busybox", toPath: bin.appending("busybox").string)
  let first = root.appending("init").string
  try Data((script + "\n").utf8).write(to: URL(fileURLWithPath: first))
  try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: first)
  try await SubprocessRunner().run(
    "sh", "-c", "cd \"$1\" && find . | busybox cpio -o -H newc > \"$2\"", "sh", root.string, file.string)
}

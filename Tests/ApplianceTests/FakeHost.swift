import Command
import Foundation
import Synchronization
import SystemPackage

@testable import Appliance

/// A host with a small kernel, one tool and a stand-in agent, all in one folder.
struct FakeHost {
  let root: FilePath
  let cache: FilePath

  /// The stand-in for the agent; any static executable does.
  var agent: FilePath { root.appending("agent") }
  var kernel: KernelFiles {
    KernelFiles(
      image: root.appending("boot/vmlinuz-6.1-cloud-amd64"),
      modules: root.appending("lib/modules/6.1-cloud-amd64"))
  }

  init(in scratch: FilePath) throws {
    root = scratch.appending("host")
    cache = scratch.appending("cache")
    try makeFolder(root.appending("boot"))
    try put("a kernel", at: "boot/vmlinuz-6.1-cloud-amd64")
    let modules = [
      "virtio_ring", "virtio_pci", "virtio_blk", "virtio_console", "virtio-rng", "vfat", "unrelated",
    ]
    try makeFolder(kernel.modules.appending("kernel"))
    for module in modules {
      try put("module \(module)", at: "lib/modules/6.1-cloud-amd64/kernel/\(module).ko")
    }
    let dependencies = modules.map { name in
      "kernel/\(name).ko:"
        + (name.hasPrefix("virtio") && name != "virtio_ring" ? " kernel/virtio_ring.ko" : "")
    }
    try put(dependencies.joined(separator: "\n"), at: "lib/modules/6.1-cloud-amd64/modules.dep")
    let builtin = ["ext4", "nls_cp437", "nls_iso8859-1", "nls_ascii", "nls_utf8", "efivarfs"]
    try put(builtin.map { "kernel/\($0).ko\n" }.joined(), at: "lib/modules/6.1-cloud-amd64/modules.builtin")
    try copy("/usr/bin/busybox", to: agent)
  }

  var inputs: ApplianceInputs {
    ApplianceInputs(kernel: kernel, agent: agent, tools: [ApplianceTool("env", debianPackage: "coreutils")])
  }

  func builder(_ runner: any CommandRunner, inputs: ApplianceInputs? = nil) -> ApplianceBuilder {
    ApplianceBuilder(inputs: inputs ?? self.inputs, cache: cache, runner: runner)
  }

  func put(_ text: String, at path: String) throws {
    try write(Array(text.utf8), to: root.appending(path))
  }
}

/// Runs everything but `depmod`, which would refuse the fake modules: it writes one index instead.
final class FakeDepmod: CommandRunner {
  private let count = Mutex(0)
  private let onIndex: @Sendable () throws -> Void

  init(onIndex: @escaping @Sendable () throws -> Void = {}) {
    self.onIndex = onIndex
  }

  /// How many appliances were made.
  var runs: Int { count.withLock { $0 } }

  func run(_ command: Command, log: @escaping @Sendable (String) -> Void) async throws -> String {
    guard command.executable.hasSuffix("/depmod") else {
      return try await SubprocessRunner().run(command, log: log)
    }
    count.withLock { $0 += 1 }
    try onIndex()
    let folder = FilePath(command.arguments[1]).appending("lib/modules").appending(command.arguments[2])
    try write(Array("index".utf8), to: folder.appending("modules.dep.bin"))
    try write(Array("index".utf8), to: folder.appending("modules.symbols.bin"))
    return ""
  }
}

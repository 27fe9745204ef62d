import Basics
import Command
import Foundation
import SystemPackage
import TestSupport
import Testing

@testable import Appliance

@Suite("making appliances")
struct ApplianceBuilderTests {
  private func listing(_ appliance: Appliance) async throws -> [String] {
    try await SubprocessRunner().run("cpio", "-t", "--quiet", "-F", appliance.initramfs.string)
      .split(separator: "\n").map(String.init)
  }

  private func text(_ path: String, in appliance: Appliance) async throws -> String {
    try await SubprocessRunner().run(
      "cpio", "-i", "--quiet", "--to-stdout", "-F", appliance.initramfs.string, path)
  }

  @Test func initramfsHoldsAgentToolsAndNeededModules() async throws {
    try await withScratchDirectory { scratch in
      let host = try FakeHost(in: scratch)
      let appliance = try await host.builder(FakeDepmod()).build()
      let nodes = Set(try await listing(appliance))
      let modules = "usr/lib/modules/6.1-cloud-amd64"
      #expect(
        nodes.isSuperset(of: [
          "init", "dev/console", "proc", "lib64", "usr/sbin/env", "usr/lib64/ld-linux-x86-64.so.2",
          "usr/lib/x86_64-linux-gnu/libc.so.6", "\(modules)/kernel/vfat.ko", "\(modules)/modules.dep.bin",
        ]))
      #expect(nodes.isDisjoint(with: ["\(modules)/kernel/unrelated.ko", "\(modules)/modules.symbols.bin"]))
      let atBoot = try await text("etc/modules-to-load", in: appliance)
      #expect(
        atBoot.split(separator: "\n") == ["ring", "pci", "blk", "console"].map {
          "/\(modules)/kernel/virtio_\($0).ko"
        }
          + ["virtio-rng", "vfat"].map { "/\(modules)/kernel/\($0).ko" })
      #expect(try contents(of: appliance.kernel) == Array("a kernel".utf8))
      let kept = try names(in: host.cache.appending(appliance.digest))
      #expect(kept == ["files.json", "initramfs", "kernel"])
    }
  }

  @Test func sameInputsMakeTheSameBytes() async throws {
    try await withScratchDirectory { scratch in
      let host = try FakeHost(in: scratch)
      let first = try await host.builder(FakeDepmod()).build()
      let bytes = try contents(of: first.initramfs)
      try TreeRemover.remove(host.cache)
      let second = try await host.builder(FakeDepmod()).build()
      #expect(first == second)
      #expect(try contents(of: second.initramfs) == bytes)
    }
  }

  @Test func missingToolIsNamedWithItsPackage() async throws {
    try await withScratchDirectory { scratch in
      let host = try FakeHost(in: scratch)
      var inputs = host.inputs
      inputs.tools.append(ApplianceTool("mkfs.none", debianPackage: "none-progs"))
      await #expect(throws: Fault.toolMissing(name: "mkfs.none", debianPackage: "none-progs")) {
        try await host.builder(FakeDepmod(), inputs: inputs).build()
      }
    }
  }

  @Test func missingAgentIsNamed() async throws {
    try await withScratchDirectory { scratch in
      let host = try FakeHost(in: scratch)
      try TreeRemover.remove(host.agent)
      await #expect(throws: Fault.agentMissing(host.agent)) {
        try await host.builder(FakeDepmod()).build()
      }
    }
  }

  @Test func dynamicAgentIsRefused() async throws {
    try await withScratchDirectory { scratch in
      let host = try FakeHost(in: scratch)
      var inputs = host.inputs
      inputs.agent = "/usr/bin/env"
      await #expect(throws: Fault.agentNotStatic("/usr/bin/env")) {
        try await host.builder(FakeDepmod(), inputs: inputs).build()
      }
    }
  }

  @Test func kernelOfAnotherVersionIsRefused() async throws {
    try await withScratchDirectory { scratch in
      let host = try FakeHost(in: scratch)
      var image = [UInt8](repeating: 0, count: 0x400)
      image.replaceSubrange(0x202..<0x206, with: "HdrS".utf8)
      image.replaceSubrange(0x20E..<0x210, with: [0x00, 0x01])
      image.replaceSubrange(0x300..<0x310, with: "6.2-other (x@y) ".utf8)
      try write(image, to: host.kernel.image)
      let expected = Fault.kernelMismatch(
        kernel: host.kernel.image, version: "6.2-other", modules: host.kernel.modules)
      await #expect(throws: expected) { try await host.builder(FakeDepmod()).build() }
    }
  }

  @Test func unreadableFileComesWithTheRemedy() {
    let expected = Fault.file(
      "/boot/vmlinuz",
      reason: "permission denied; make it readable (chmod a+r /boot/vmlinuz), or pass a readable copy")
    #expect(throws: expected) { try onFile("/boot/vmlinuz") { throw Errno.permissionDenied } }
  }

  @Test func aToolOfTheUsersIsTakenFromItsPath() async throws {
    try await withScratchDirectory { scratch in
      let host = try FakeHost(in: scratch)
      try await SubprocessRunner().run("cp", "/usr/bin/busybox", host.root.appending("mkfs.mine").string)
      var inputs = host.inputs
      inputs.tools = [ApplianceTool(added: host.root.appending("mkfs.mine").string)]
      let appliance = try await host.builder(FakeDepmod(), inputs: inputs).build()
      let names = try await SubprocessRunner().run("cpio", "-t", "--quiet", "-F", appliance.initramfs.string)
      #expect(names.split(separator: "\n").contains("usr/sbin/mkfs.mine"))
      inputs.tools = [ApplianceTool(added: "/nowhere/mkfs.mine")]
      await #expect(throws: Fault.toolMissing(name: "/nowhere/mkfs.mine", debianPackage: nil)) {
        try await host.builder(FakeDepmod(), inputs: inputs).build()
      }
    }
  }

  @Test func cacheFolderFollowsXDG() {
    let named = XDGFolders(environment: ["XDG_CACHE_HOME": "/c", "HOME": "/h"])
    #expect(ApplianceBuilder.defaultCache(of: named) == "/c/slipway/appliance")
    #expect(ApplianceBuilder.defaultCache(of: XDGFolders(environment: ["HOME": "/homeless-shelter"])) == nil)
  }
}

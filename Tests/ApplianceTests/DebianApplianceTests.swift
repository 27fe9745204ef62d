import Command
import SystemPackage
import TestSupport
import Testing

@testable import Appliance

private let kernel = try? KernelFiles.newestKernel()

@Suite("the appliance of this host", .enabled(if: kernel != nil, "apt-get install linux-image-cloud-amd64"))
struct DebianApplianceTests {
  @Test func everyToolStartsAndEveryModuleIsIndexed() async throws {
    let kernel = try #require(kernel)
    try await withScratchDirectory { scratch in
      let cache = scratch.appending("cache")
      let builder = ApplianceBuilder(
        inputs: ApplianceInputs(kernel: kernel, agent: "/usr/bin/busybox"), cache: cache)
      let appliance = try await builder.build()
      let root = scratch.appending("root")
      try makeFolder(root)
      let runner = SubprocessRunner()
      // As an ordinary user cpio cannot make the console's node, which no tool needs here.
      try await runner.run(
        "cpio", "-id", "--quiet", "-D", root.string, "-F", appliance.initramfs.string, "[!d]*")

      // A bootloader is installed by the system's own programs: the appliance cannot do it.
      let names = try await runner.run("cpio", "-t", "--quiet", "-F", appliance.initramfs.string)
      #expect(!names.contains("bootctl") && !names.contains("grub"))

      // The guest's own loader, with the guest's libraries only, must find all that each tool needs.
      let libraries = root.appending("usr/lib/x86_64-linux-gnu").string
      let loader = root.appending("usr/lib64/ld-linux-x86-64.so.2").string
      for tool in ApplianceTool.all where tool.name != ApplianceTool.shell {
        let path = root.appending("usr/sbin").appending(tool.name).string
        let list = try await runner.run(
          loader, "--inhibit-cache", "--library-path", libraries, "--list", path)
        let outside = list.split(separator: "\n").filter { $0.contains("=>") && !$0.contains("=> \(root)") }
        #expect(outside == [], "\(tool.name) needs a library that the appliance lacks")
      }

      let version = try #require(kernel.modules.lastComponent?.string)
      for module in ["vfat", "btrfs", "fs-xfs", "fs-efivarfs", "nls_cp437"] {
        let commands = try await runner.run(
          "/usr/sbin/modprobe", "-d", root.string, "-S", version, "--show-depends", module)
        #expect(commands.contains("insmod \(root)"), "\(module): \(commands)")
      }
    }
  }

  @Test(
    "an initramfs of packed modules is that of plain ones, byte for byte",
    arguments: [["xz"], ["zst"], ["gz"], ["xz", "", "zst", "gz"]])
  func packedModules(packings: [String]) async throws {
    let kernel = try #require(kernel)
    try await withScratchDirectory { scratch in
      let plain = try kernel.moduleFiles(with: []).all.map(\.path)
      let folder = try await PackedModules.make(
        of: kernel.modules, in: scratch, packings: packings, only: plain)
      let packed = KernelFiles(image: kernel.image, modules: folder)
      #expect(throws: Never.self) { try packed.check(["ext4", "virtio_blk"]) }
      var initramfs: [[UInt8]] = []
      for files in [kernel, packed] {
        let inputs = ApplianceInputs(
          kernel: files, agent: "/usr/bin/busybox", tools: [ApplianceTool("env", debianPackage: "coreutils")])
        let appliance = try await ApplianceBuilder(inputs: inputs, cache: scratch.appending("cache")).build()
        initramfs.append(try contents(of: appliance.initramfs))
      }
      #expect(initramfs[0] == initramfs[1])
    }
  }

  @Test func checkingAnUnchangedApplianceIsQuick() async throws {
    let kernel = try #require(kernel)
    try await withScratchDirectory { scratch in
      let builder = ApplianceBuilder(
        inputs: ApplianceInputs(kernel: kernel, agent: "/usr/bin/busybox"), cache: scratch.appending("cache"))
      let made = try await builder.build()
      let clock = ContinuousClock()
      var fastest = Duration.seconds(60)
      for _ in 0..<5 {
        let start = clock.now
        #expect(try await builder.build() == made)
        fastest = min(fastest, clock.now - start)
      }
      print("unchanged appliance checked in \(fastest)")
      #expect(fastest < .milliseconds(200))
    }
  }
}

import Basics
import Foundation
import SystemPackage
import TestSupport
import Testing

@testable import Appliance

/// What doctor says of kernels and what a build takes are one search.
@Suite struct KernelSearchTests {
  @Test func cloudKernelsComeFirstThenTheNewest() {
    let releases = ["6.1.0-9-amd64", "6.1.0-10-cloud-amd64", "6.1.0-9-cloud-amd64", "6.12.3-amd64"]
    let found = KernelFiles.releases(
      images: releases.map { "vmlinuz-\($0)" } + ["vmlinuz-5.10.0-bare", "initrd.img-6.1.0-9-amd64"],
      moduleFolders: releases)
    #expect(found == ["6.1.0-10-cloud-amd64", "6.1.0-9-cloud-amd64", "6.12.3-amd64", "6.1.0-9-amd64"])
  }

  @Test func numbersOfAnyLengthAreCompared() {
    let releases = ["6.99999999999999999999999", "6.1", "", "-"]
    let found = KernelFiles.releases(images: releases.map { "vmlinuz-\($0)" }, moduleFolders: releases)
    #expect(found.first == "6.99999999999999999999999")
  }

  @Test func aKernelThatIsNoCloudKernelIsTaken() async throws {
    try await withHost { root in
      #expect(throws: Fault.kernelMissing(root.appending("boot"))) {
        try KernelFiles.newestKernel(under: root)
      }
      try add("6.8.5-301.fc40.x86_64", to: root)
      let kernel = try KernelFiles.newestKernel(under: root)
      #expect(kernel.image == root.appending("boot/vmlinuz-6.8.5-301.fc40.x86_64"))
      #expect(kernel.modules == root.appending("lib/modules/6.8.5-301.fc40.x86_64"))
    }
  }

  @Test func aKernelThatLacksADriverOfEveryInstallationIsPassedOver() async throws {
    try await withHost { root in
      try add("6.9-cloud-amd64", to: root, without: "virtio_blk")
      let folder = root.appending("lib/modules/6.9-cloud-amd64")
      #expect(throws: Fault.moduleMissing(name: "virtio_blk", folder: folder)) {
        try KernelFiles.newestKernel(under: root)
      }
      try add("6.1-amd64", to: root)
      #expect(try KernelFiles.newestKernel(under: root).modules.lastComponent?.string == "6.1-amd64")
    }
  }

  /// A build would refuse it, so doctor does not call it good.
  @Test func aKernelThatWouldRefuseItsModulesIsPassedOver() async throws {
    try await withHost { root in
      try add("6.9-cloud-amd64", to: root)
      let image = root.appending("boot/vmlinuz-6.9-cloud-amd64")
      try write(header(of: "6.9-1-cloud-amd64 (x@y) #1"), to: image)
      let expected = Fault.kernelMismatch(
        kernel: image, version: "6.9-1-cloud-amd64", modules: root.appending("lib/modules/6.9-cloud-amd64"))
      #expect(throws: expected) { try KernelFiles.newestKernel(under: root) }
      try write(header(of: "6.9-cloud-amd64 (x@y) #1"), to: image)
      #expect(try KernelFiles.newestKernel(under: root).image == image)
      // Cut short, before the version and within its header, it has none.
      for count in [0x20F, 0x210, 0x300] {
        try write(Array(header(of: "6.9").prefix(count)), to: image)
        #expect(throws: Never.self) { try KernelFiles.newestKernel(under: root) }
      }
    }
  }

  @Test func modulesThatNobodyCanUnpackAreNamed() async throws {
    try await withHost { root in
      try add("6.9-amd64", to: root)
      let folder = root.appending("lib/modules/6.9-amd64")
      let index = try String(decoding: contents(of: folder.appending("modules.dep")), as: UTF8.self)
      try write(Array(index.replacing(".ko:", with: ".ko.lz4:").utf8), to: folder.appending("modules.dep"))
      let error = try #require(throws: Fault.self) { try KernelFiles.newestKernel(under: root) }
      #expect(
        "\(error)".contains(".ko.lz4' cannot be used") && "\(error)".contains("it is not a kernel module"))
    }
  }

  @Test func aModuleThatNeedsAMissingOneIsNoDriver() async throws {
    try await withHost { root in
      try add("6.9-amd64", to: root)
      let folder = root.appending("lib/modules/6.9-amd64")
      let index = try String(decoding: contents(of: folder.appending("modules.dep")), as: UTF8.self)
      let broken = index.replacing("virtio_blk.ko:", with: "virtio_blk.ko: kernel/virtio_ring.ko")
      try write(Array(broken.utf8), to: folder.appending("modules.dep"))
      #expect(throws: Fault.moduleMissing(name: "virtio_ring", folder: folder)) {
        try KernelFiles.newestKernel(under: root)
      }
    }
  }

  /// As much of an x86 kernel as says which version it is.
  private func header(of version: String) -> [UInt8] {
    var image = [UInt8](repeating: 0, count: 0x400)
    image.replaceSubrange(0x202..<0x206, with: "HdrS".utf8)
    image.replaceSubrange(0x20E..<0x210, with: [0x00, 0x01])
    image.replaceSubrange(0x300..<0x300 + version.utf8.count, with: version.utf8)
    return image
  }

  @Test func anUnreadableKernelIsNamed() async throws {
    try await withHost { root in
      try add("6.9-generic", to: root)
      let image = root.appending("boot/vmlinuz-6.9-generic")
      // A link into itself cannot be opened by root either.
      try FileManager.default.removeItem(atPath: image.string)
      try FileManager.default.createSymbolicLink(atPath: image.string, withDestinationPath: image.string)
      let error = #expect(throws: Fault.self) { try KernelFiles.newestKernel(under: root) }
      #expect(error.map { "\($0)" }?.contains("vmlinuz-6.9-generic") == true)
    }
  }

  @Test func aFilesystemOfTheOtherKernelsTakesOneOfThese() async throws {
    try await withHost { root in
      try add("6.1.0-56-cloud-amd64", to: root, with: ["xfs"])
      try add("6.1.0-56-amd64", to: root, with: ["xfs", "f2fs"])
      try add("6.9.0-1-amd64", to: root, with: ["xfs"])
      func chosen(_ drivers: [String]) throws -> String? {
        try KernelFiles.newestKernel(with: drivers, under: root).modules.lastComponent?.string
      }
      #expect(try chosen(["ext4", "xfs"]) == "6.1.0-56-cloud-amd64")
      #expect(try chosen(["ext4", "f2fs"]) == "6.1.0-56-amd64")
      let folder = root.appending("lib/modules/6.1.0-56-cloud-amd64")
      #expect(throws: Fault.driverMissing(name: "jfs", folder: folder)) { try chosen(["jfs"]) }
    }
  }

  private func withHost(_ body: (FilePath) throws -> Void) async throws {
    try await withScratchDirectory { root in
      try makeFolder(root.appending("boot"))
      try body(root)
    }
  }

  /// Adds a kernel that has what every installation needs, and more or less.
  private func add(
    _ release: String, to root: FilePath, with more: [String] = [], without: String? = nil
  ) throws {
    try write([], to: root.appending("boot/vmlinuz-\(release)"))
    let folder = root.appending("lib/modules/\(release)")
    try makeFolder(folder)
    let names = Set(ApplianceModules.atBoot + ApplianceModules.required + more).filter { $0 != without }
    try write(Array(names.map { "kernel/\($0).ko:\n" }.joined().utf8), to: folder.appending("modules.dep"))
    try write([], to: folder.appending("modules.builtin"))
  }
}

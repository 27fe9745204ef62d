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

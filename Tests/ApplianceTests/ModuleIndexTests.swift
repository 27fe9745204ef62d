import Basics
import SystemPackage
import Testing

@testable import Appliance

@Suite("kernel modules")
struct ModuleIndexTests {
  private let index = ModuleIndex(
    dependencies: """
      kernel/virtio/virtio_ring.ko:
      kernel/virtio/virtio.ko: kernel/virtio/virtio_ring.ko
      kernel/virtio/virtio_pci.ko: kernel/virtio/virtio_ring.ko kernel/virtio/virtio.ko
      kernel/block/virtio_blk.ko: kernel/virtio/virtio.ko kernel/virtio/virtio_ring.ko
      kernel/fs/nls/nls_iso8859-1.ko.xz:
      kernel/loop/a.ko: kernel/loop/b.ko
      kernel/loop/b.ko: kernel/loop/a.ko

      """,
    builtin: "kernel/fs/ext4/ext4.ko\nkernel/crypto/crc32c_generic.ko\n")

  private func order(_ names: [String], required: Bool = true) throws -> [String] {
    try index.loadOrder(of: names, required: required, folder: "/lib/modules/6.1")
  }

  @Test func eachModuleComesAfterWhatItNeeds() throws {
    #expect(
      try order(["virtio_pci", "virtio_blk"]) == [
        "kernel/virtio/virtio_ring.ko", "kernel/virtio/virtio.ko", "kernel/virtio/virtio_pci.ko",
        "kernel/block/virtio_blk.ko",
      ])
  }

  @Test func builtInDriversNeedNoFile() throws {
    #expect(try order(["ext4", "crc32c-generic"]) == [])
  }

  @Test(arguments: ["nls_iso8859-1", "nls_iso8859_1"])
  func dashesAndUnderscoresAreTheSame(name: String) throws {
    #expect(try order([name]) == ["kernel/fs/nls/nls_iso8859-1.ko.xz"])
  }

  @Test func missingDriverIsAnErrorOnlyWhenRequired() throws {
    #expect(throws: Fault.moduleMissing(name: "zfs", folder: "/lib/modules/6.1")) {
      try order(["zfs"])
    }
    #expect(try order(["zfs"], required: false) == [])
  }

  @Test func aCycleEnds() throws {
    #expect(try order(["a"]) == ["kernel/loop/b.ko", "kernel/loop/a.ko"])
  }
}

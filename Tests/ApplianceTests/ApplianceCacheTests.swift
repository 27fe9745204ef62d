import Basics
import Foundation
import SystemPackage
import TestSupport
import Testing

@testable import Appliance

@Suite("the appliance cache")
struct ApplianceCacheTests {
  @Test func unchangedInputsAreNotBuiltAgain() async throws {
    try await withScratchDirectory { scratch in
      let host = try FakeHost(in: scratch)
      let depmod = FakeDepmod()
      let first = try await host.builder(depmod).build()
      let again = try await host.builder(depmod).build()
      #expect(first == again)
      #expect(depmod.runs == 1)
    }
  }

  @Test func touchedButEqualInputsAreHashedAndFound() async throws {
    try await withScratchDirectory { scratch in
      let host = try FakeHost(in: scratch)
      let depmod = FakeDepmod()
      let first = try await host.builder(depmod).build()
      try host.put("a kernel", at: "boot/vmlinuz-6.1-cloud-amd64")
      let again = try await host.builder(depmod).build()
      #expect(first == again)
      #expect(depmod.runs == 1)
    }
  }

  @Test(arguments: [
    "boot/vmlinuz-6.1-cloud-amd64", "lib/modules/6.1-cloud-amd64/kernel/virtio_ring.ko",
  ])
  func changedInputMakesAnother(path: String) async throws {
    try await withScratchDirectory { scratch in
      let host = try FakeHost(in: scratch)
      let depmod = FakeDepmod()
      let first = try await host.builder(depmod).build()
      try host.put("something else", at: path)
      let second = try await host.builder(depmod).build()
      #expect(first.digest != second.digest)
      #expect(depmod.runs == 2)
      #expect(exists(first.initramfs), "another build may still use it")
    }
  }

  @Test(arguments: ["initramfs", "kernel", "files.json"])
  func truncatedApplianceIsMadeAgain(file: String) async throws {
    try await withScratchDirectory { scratch in
      let host = try FakeHost(in: scratch)
      let depmod = FakeDepmod()
      let first = try await host.builder(depmod).build()
      let place = host.cache.appending(first.digest).appending(file)
      let whole = try contents(of: place)
      try write(Array(whole.dropLast()), to: place)
      let second = try await host.builder(depmod).build()
      #expect(first == second)
      #expect(depmod.runs == 2)
      if file != "files.json" { #expect(try contents(of: place) == whole) }
    }
  }

  @Test("a cached file of the right size and other bytes is made again", arguments: ["initramfs", "kernel"])
  func damaged(file: String) async throws {
    try await withScratchDirectory { scratch in
      let host = try FakeHost(in: scratch)
      let depmod = FakeDepmod()
      let first = try await host.builder(depmod).build()
      let place = host.cache.appending(first.digest).appending(file)
      let whole = try contents(of: place)
      for damage in [[UInt8](repeating: 0, count: whole.count), [whole[0] ^ 1] + whole.dropFirst()] {
        try write(damage, to: place)
        #expect(try await host.builder(depmod).build() == first)
        #expect(try contents(of: place) == whole)
      }
      #expect(depmod.runs == 3)
    }
  }

  @Test("damage that no stamp shows is found by reading all, as after a boot that failed")
  func unseenDamage() async throws {
    try await withScratchDirectory { scratch in
      let host = try FakeHost(in: scratch)
      let depmod = FakeDepmod()
      let made = try await host.builder(depmod).build()
      #expect(!made.removeIfDamaged())
      let record = host.cache.appending(made.digest).appending("files.json")
      func hide() throws {
        try write([UInt8](repeating: 0, count: contents(of: made.initramfs).count), to: made.initramfs)
        // As if the stamp were still that of the whole file.
        let stamp = InputStamp(made.initramfs.string).values.map(String.init).joined(separator: ",")
        let text = try text(of: record).replacing(/("initramfs":{"digest":"[0-9a-f]+","stamp":\[)[^\]]*/) {
          "\($0.output.1)\(stamp)"
        }
        try write(Array(text.utf8), to: record)
      }
      try hide()
      #expect(try await host.builder(depmod).build() == made)
      #expect(depmod.runs == 1)
      #expect(try await host.builder(depmod).build(readingAll: true) == made)
      #expect(depmod.runs == 2)
      try hide()
      #expect(made.removeIfDamaged())
      #expect(!exists(made.initramfs))
    }
  }

  @Test func aCacheThatWasCopiedElsewhereIsReadAndTaken() async throws {
    try await withScratchDirectory { scratch in
      let host = try FakeHost(in: scratch)
      let depmod = FakeDepmod()
      let made = try await host.builder(depmod).build()
      let bytes = try contents(of: made.initramfs)
      try TreeRemover.remove(made.initramfs)
      try write(bytes, to: made.initramfs)
      #expect(try await host.builder(depmod).build() == made)
      #expect(depmod.runs == 1)
    }
  }

  @Test func unusedAppliancesGoAfterADay() async throws {
    try await withScratchDirectory { scratch in
      let host = try FakeHost(in: scratch)
      let appliance = try await host.builder(FakeDepmod()).build()
      try makeFolder(host.cache.appending("left-by-a-killed-build.tmp"))
      let cache = ApplianceCache(folder: host.cache)
      cache.removeUnused(now: Date().addingTimeInterval(80_000))
      #expect(try names(in: host.cache).count == 3)
      #expect(exists(appliance.initramfs))
      cache.removeUnused(now: Date().addingTimeInterval(90_000))
      #expect(try names(in: host.cache) == [])
    }
  }

  @Test func twoBuildsAtOnceAgree() async throws {
    try await withScratchDirectory { scratch in
      let host = try FakeHost(in: scratch)
      let appliances = try await withThrowingTaskGroup(of: Appliance.self) { group in
        for _ in 0..<4 { group.addTask { try await host.builder(FakeDepmod()).build() } }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(Set(appliances).count == 1)
      let left = try names(in: host.cache)
      #expect(left.filter { $0.hasSuffix(".tmp") } == [])
      #expect(left.contains(appliances[0].digest))
    }
  }

  @Test func inputChangedWhileBuildingIsNotCached() async throws {
    try await withScratchDirectory { scratch in
      let host = try FakeHost(in: scratch)
      let depmod = FakeDepmod {
        try host.put("a longer module", at: "lib/modules/6.1-cloud-amd64/kernel/vfat.ko")
      }
      let module = host.kernel.modules.appending("kernel/vfat.ko")
      await #expect(throws: Fault.inputsChanged([module])) { try await host.builder(depmod).build() }
      #expect(try names(in: host.cache) == [])
    }
  }
}

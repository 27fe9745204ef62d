import Command
import Ext4
import ImageModel
import SystemPackage
import TestSupport
import Testing

@testable import ImageBuilder
@testable import NixStore

@Suite struct EtcTreeTests {
  private func fixture(in scratch: FilePath, _ script: String) async throws -> (StoreLocation, StorePath) {
    let store = StoreLocation(root: scratch.appending("root"))
    let system = try #require(StorePath(name: String(repeating: "0", count: 32) + "-system"))
    let whole = "mkdir -p \"$1\"; cd \"$1\"; \(script)"
    try await SubprocessRunner().run("bash", "-c", whole, "bash", store.file(of: system).string)
    return (store, system)
  }

  @Test func directoriesAndFilesBehindTheLinkAreCounted() async throws {
    try await withScratchDirectory { scratch in
      // The link is one of the chroot store, whose root is another than this machine's; a name need not be UTF-8.
      let (store, system) = try await fixture(
        in: scratch,
        """
        mkdir -p ../etc-1/ssh/keys; touch ../etc-1/hosts ../etc-1/$'odd-\\xff'; ln -s /nowhere ../etc-1/ssh/config
        ln -s /nix/store/etc-1 etc
        """)
      let etc = try EtcTree(of: system, in: store)
      #expect(etc.directories == 2)
      #expect(etc.links == 3)
      #expect(etc.files.map(\.description) == ["/etc/hosts", "/etc/odd-\\xff", "/etc/ssh/config"])
    }
  }

  @Test func aSystemWithoutEtcHasNone() async throws {
    try await withScratchDirectory { scratch in
      let (store, system) = try await fixture(in: scratch, "true")
      let etc = try EtcTree(of: system, in: store)
      #expect(etc.directories == 0 && etc.links == 0)
    }
  }

  @Test func bootFilesOfEverySpecialisationAreCountedOnce() async throws {
    try await withScratchDirectory { scratch in
      let (store, system) = try await fixture(
        in: scratch,
        """
        printf 12345 >../kernel; printf 123 >../initrd; ln -s /nix/store/kernel kernel; ln -s /nix/store/initrd initrd
        mkdir -p specialisation/$'odd-\\xff'; cd specialisation/*; ln -s /nix/store/kernel kernel; printf 1 >initrd
        """)
      #expect(try BootFiles.size(of: [system], in: store).bytes == 9)
      #expect(try BootFiles.size(of: [system, system], in: store).bytes == 9)
    }
  }
}

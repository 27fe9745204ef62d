import Foundation
import SystemPackage
import TestSupport
import Testing

/// Filesystems of the host's that fill up, at each stage. What a run left on them is looked at before they go.
@Suite(.virtualMachines, .serialized) struct FullDiskTests {
  /// Runs slipway without exec, and lists what is left on the row's filesystems besides the log of a failure.
  private func command(_ bench: Bench) -> String {
    """
    "$@"; code=$?
    find '\(bench.out)' /tmp -mindepth 1 ! -name '*.failed.log' > '\(bench.inputs)/left'
    exit $code
    """
  }

  private func expectClean(_ bench: Bench) throws {
    let left = try String(contentsOfFile: bench.inputs.appending("left").string, encoding: .utf8)
    bench.expect(left.isEmpty, "left on the full filesystem: \(left)")
  }

  @Test(arguments: ["64k", "1m", "40m", "200m"])
  func aSmallOutputFolderIsSaidToBeSmall(size: String) async throws {
    try await row("host disk full", "the output's filesystem has \(size)") { bench in
      let mount = "mount -t tmpfs -o size=\(size) tmpfs '\(bench.out)'"
      let result = try await bench.run(bench.build(), setUp: mount, command: command(bench))
      bench.expect(result, status: 1, says: "space|full")
      try expectClean(bench)
    }
  }

  @Test func anOutputFolderThatFillsUpUnderTheGuestEndsTheBuild() async throws {
    try await row("host disk full during guest writes", "all of 900 MiB taken once the guest runs") { bench in
      let mount = "mount -t tmpfs -o size=900m tmpfs '\(bench.out)'"
      let script = try bench.write("head -c 300M /dev/urandom > /fill; sync", "fill")
      let result = try await bench.run(
        bench.build("tiny", ["--post-install", script]), setUp: mount, command: command(bench)
      ) { process in
        _ = try await bench.waitForGuest()
        let full = "/proc/\(process)/root\(bench.out)/filler"
        _ = FileManager.default.createFile(atPath: full, contents: nil)
        let file = open(full, O_WRONLY)
        var piece = 1 << 24
        while piece >= 1 << 12 {
          let end = lseek(file, 0, SEEK_END)
          if posix_fallocate(file, end, piece) != 0 { piece >>= 1 }
        }
        close(file)
        // It is the drill's, and must not hide what is left.
        try await wait(for: "the end") { bench.guest() == nil }
        unlink(full)
      }
      bench.expect(result, status: 1, says: "space|full|error of the disk|disk error")
      try expectClean(bench)
    }
  }

  @Test(arguments: ["4k", "8k", "40k"])
  func aSmallFolderOfMachinesIsSaidToBeSmall(size: String) async throws {
    try await row("host disk full", "/tmp has \(size)") { bench in
      let mount = "mount -t tmpfs -o size=\(size) tmpfs /tmp"
      let result = try await bench.run(bench.build(), setUp: mount, command: command(bench))
      bench.expect(result, status: 1, says: "the filesystem /tmp.* is full")
      try expectClean(bench)
    }
  }

  @Test func aFullCacheIsSaidToBeFull() async throws {
    try await row("host disk full", "the cache's filesystem has 1m") { bench in
      try FileManager.default.makeFolder(bench.inputs.appending("cache"))
      let cache = bench.inputs.appending("cache").string
      let result = try await bench.run(
        bench.build(), setUp: "mount -t tmpfs -o size=1m tmpfs '\(cache)'", command: command(bench),
        environment: ["XDG_CACHE_HOME": cache])
      bench.expect(result, status: 1, says: "the filesystem \(cache).* is full")
      try expectClean(bench)
    }
  }

  @Test func aFullDiskAtTheConversionLeavesNoOutput() async throws {
    try await row("host disk full at the conversion", "all taken by postVM's sibling, then vmdk") { bench in
      let mount = "mount -t tmpfs -o size=600m tmpfs '\(bench.out)'"
      let script = try bench.write("head -c 1000M /dev/zero > more", "post")
      let result = try await bench.run(
        bench.storeBuild(["--format", "vmdk", "--post-vm", script]), setUp: mount, command: command(bench))
      bench.expect(result, status: 1)
      try expectClean(bench)
    }
  }
}

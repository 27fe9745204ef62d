internal import AgentProtocol
internal import CLinux
internal import Command
internal import Glibc
internal import Synchronization
internal import SystemPackage
internal import TestSupport
internal import Testing

@testable internal import InstallSteps

/// Everything the copy keeps, for every node of a tree, as one line each.
private func listing(_ root: FilePath) async throws -> String {
  let script = """
    cd "$1" || exit 1
    find . -printf '%y %m %U:%G %T@ %l %P\\0' | sort -z | tr '\\0' '\\n'
    find . -type f -printf '%s %P\\0' | sort -z | tr '\\0' '\\n'
    find . -type f -print0 | sort -z | xargs -0 sha256sum
    getfattr --recursive --dump --match=- . 2>/dev/null | grep -v ^$
    find . -type f -links +1 -printf '%i %P\\0' | sort -z | tr '\\0' '\\n' |
      awk '!($1 in n) {n[$1]=NR} {$1=n[$1]; print}'
    """
  return try await SubprocessRunner().run("sh", "-c", script, "sh", root.string)
}

/// A tree with what a store can have, and more.
private func makeTree(_ root: FilePath) throws {
  try root.appending("path/bin/tool").write("#!/bin/sh\n", mode: 0o555)
  try root.appending("path/bin/setuid").write("", mode: 0o4755)
  try root.appending("path/share/doc").write(String(repeating: "text\n", count: 5000), mode: 0o444)
  try root.appending("path/lib/big").write((0..<9_000_001).map { UInt8(truncatingIfNeeded: $0 &* 7) })
  try root.appending("path/lib/aligned").write([UInt8](repeating: 7, count: 1 << 20))
  try root.appending("path/empty").write("")
  try root.appending("path/folder").makeDirectory()
  try root.appending("path/link").link(to: "/nix/store/nowhere")
  try root.appending("path/new\nline 'quoted' ünï").write("odd")
  for name in ["other/first", "path/second", "third"] {
    try root.appending(name).removingLastComponent().makeDirectory()
    if name == "other/first" {
      try root.appending(name).write("hard", mode: 0o444)
    } else {
      try checked("link") { link(root.appending("other/first").string, root.appending(name).string) }
    }
  }
  // A name that is not UTF-8.
  let raw = Array(root.string.utf8CString.dropLast()) + [47, -1, -2, 0]
  let file = try checked("create") { open(raw, O_WRONLY | O_CREAT, 0o600) }
  close(file)
  for index in 0..<50 { try root.appending("many/\(index % 7)/\(index)").write("\(index)") }
}

private func copy(_ source: FilePath, to destination: FilePath, workers: Int) async throws {
  try destination.makeDirectory()
  try await TreeCopy(
    from: source.string, to: destination.string, progress: CopyProgress(total: 1 << 30) { _ in }
  ).run(workers: workers)
}

@Suite("copying a tree")
struct TreeCopyTests {
  @Test("the copy is the same in everything", arguments: [1, 4])
  func same(workers: Int) async throws {
    try await withScratchDirectory { folder in
      let (source, destination) = (folder.appending("from"), folder.appending("to"))
      try makeTree(source)
      let time = [timespec(tv_sec: 1, tv_nsec: 0), timespec(tv_sec: 1, tv_nsec: 0)]
      for name in ["path/link", "path/bin", "path/bin/tool", "other"] {
        try checked("set the time") {
          utimensat(AT_FDCWD, source.appending(name).string, time, AT_SYMLINK_NOFOLLOW)
        }
      }
      try checked("set the mode") { chmod(source.appending("path/bin").string, 0o555) }
      try await copy(source, to: destination, workers: workers)
      let (expected, actual) = (try await listing(source), try await listing(destination))
      #expect(expected.split(separator: "\n").count > 100)
      #expect(actual == expected)
    }
  }

  @Test("names of one file on two filesystems become two files", .needsRoot)
  func linksOverMounts() async throws {
    try await withScratchDirectory { folder in
      let (source, destination) = (folder.appending("from"), folder.appending("to"))
      try source.appending("a").write("hard")
      for name in ["b", "mnt/c", "mnt/d"] {
        try source.appending(name).removingLastComponent().makeDirectory()
        try checked("link") { link(source.appending("a").string, source.appending(name).string) }
      }
      let mount = try destination.appending("mnt").makeDirectory().string
      try await SubprocessRunner().run("mount", "-t", "tmpfs", "none", mount)
      do {
        try await copy(source, to: destination, workers: 1)
        let content = try await SubprocessRunner().run("cat", "\(mount)/c", "\(mount)/d")
        #expect(content == "hardhard")
        let links = [try destination.appending("a").status(), try destination.appending("b").status()].map(
          \.st_ino)
        #expect(Set(links).count == 1)
      } catch {
        Issue.record(error)
      }
      try await SubprocessRunner().run("umount", mount)
    }
  }

  @Test("extended attributes are kept")
  func attributes() async throws {
    try await withScratchDirectory { folder in
      let source = folder.appending("from")
      try source.appending("file").write("x")
      let value: [UInt8] = [0, 1, 255]
      let set = setxattr(source.appending("file").string, "user.slipway", value, value.count, 0)
      try #require(set == 0, "the temporary folder must be on a filesystem with attributes")
      try await copy(source, to: folder.appending("to"), workers: 1)
      var found = [UInt8](repeating: 9, count: 8)
      let size = getxattr(folder.appending("to/file").string, "user.slipway", &found, found.count)
      #expect(size == 3)
      #expect(Array(found.prefix(3)) == value)
    }
  }

  @Test("holes stay holes, wherever they are")
  func holes() async throws {
    try await withScratchDirectory { folder in
      let source = folder.appending("from/sparse")
      try source.write("")
      let file = try FileDescriptor.open(source, .readWrite)
      try file.closeAfter {
        try file.resize(to: 64 << 20)
        _ = try file.writeAll(toAbsoluteOffset: 32 << 20, Array("middle".utf8))
      }
      try await copy(folder.appending("from"), to: folder.appending("to"), workers: 1)
      let status = try folder.appending("to/sparse").status()
      #expect(status.st_size == 64 << 20)
      #expect(status.st_blocks * 512 < 1 << 20)
      try await SubprocessRunner().run("cmp", source.string, folder.appending("to/sparse").string)
    }
  }

  @Test("what no store has is refused by name", arguments: [1, 4])
  func fifo(workers: Int) async throws {
    try await withScratchDirectory { folder in
      try makeTree(folder.appending("from"))
      let fifo = folder.appending("from/path/share/fifo")
      try checked("make a fifo") { mkfifo(fifo.string, 0o600) }
      let failure = await #expect(throws: StepFailure.self) {
        try await copy(folder.appending("from"), to: folder.appending("to"), workers: workers)
      }
      #expect(failure?.message.contains(fifo.string) == true)
    }
  }

  @Test("a source that is not there fails, with every number of workers", arguments: [1, 3])
  func missing(workers: Int) async throws {
    try await withScratchDirectory { folder in
      _ = await #expect(throws: SystemFailure.self) {
        try await copy(folder.appending("from"), to: folder.appending("to"), workers: workers)
      }
    }
  }

  @Test("progress never goes back and ends at the total")
  func progress() async throws {
    let shown = Mutex<[UInt64]>([])
    let progress = CopyProgress(total: 10 << 20) { event in
      if case .progress(let done, let total) = event, total == 10 << 20 { shown.withLock { $0.append(done) } }
    }
    for _ in 0..<100 { progress.add(256 << 10) }
    progress.finish()
    let values = shown.withLock { $0 }
    #expect(values == values.sorted())
    #expect(values.count <= 11)
    #expect(values.last == 10 << 20)
  }
}

import Command
import Foundation
import Glibc
import ImageModel
import SystemPackage
import Testing

@testable import NixStore

@Suite(.enabled(if: isInstalled("mksquashfs") && isInstalled("unsquashfs"), "needs squashfs-tools"))
struct SourceDiskTests {
  private let runner = SubprocessRunner()

  private func database(_ closure: Closure, _ fixture: StoreFixture) async throws -> (FilePath, ByteSize) {
    let file = fixture.scratch.path.appending("db '$(x).sqlite")
    try await NixDatabase.write(closure, from: fixture.location, registrationTime: 1, to: file)
    return (file, ByteSize(bytes: UInt64(try contents(file).count)))
  }

  private func scan(_ fixture: StoreFixture) throws -> TreeScan {
    var scanner = TreeScanner()
    return try fixture.paths.reduce(TreeScan()) { try $0 + scanner.scan(fixture.location.file(of: $1.path)) }
  }

  @Test func theDiskHoldsStoreAndDatabase() async throws {
    var fixture = try StoreFixture()
    let system = try fixture.addSystem()
    let flat = try fixture.add("flat.txt") { try write("flat", to: $0) }
    let original = fixture.location.file(of: flat)
    try fixture.add("linked") { folder in
      try makeFolder(folder)
      for name in ["one", "t'w\no"] {
        try FileManager.default.linkItem(
          atPath: original.string, toPath: folder.appending(name).string)
      }
    }
    let closure = fixture.closure(system)
    let (file, size) = try await database(closure, fixture)
    let disk = try reserve(
      at: fixture.scratch.path.appending("disk"), for: try scan(fixture), database: size)
    let opened = try FileDescriptor.open(disk.file, .readOnly)
    try await disk.write(closure, from: fixture.location, database: file, runner: runner)
    // Whoever opened the reserved file sees the contents, at the reserved size.
    #expect(try opened.closeAfter { try opened.seek(offset: 0, from: .end) } == Int64(disk.size.bytes))

    let copy = fixture.scratch.path.appending("copy")
    try await runner.run("unsquashfs", "-quiet", "-no-progress", "-dest", copy.string, disk.file.string)
    try await runner.run(
      "diff", "-r", "--no-dereference", fixture.location.directory.string, copy.appending("store").string)
    #expect(try contents(copy.appending(["db", "db.sqlite"])) == contents(file))
    #expect(try contents(copy.appending(["db", "schema"])) == Data("10".utf8))
    let linked = try FileManager.default.attributesOfItem(
      atPath: copy.appending(["store", try #require(FilePath.Component(flat.name))]).string)
    #expect(linked[.referenceCount] as? Int == 3)
    #expect(linked[.modificationDate] as? Date == Date(timeIntervalSince1970: 1))
    #expect(linked[.posixPermissions] as? Int == 0o444)
  }

  @Test func sameClosureGivesSameBytes() async throws {
    var disks: [Data] = []
    for _ in 0..<2 {
      var fixture = try StoreFixture()
      let system = try fixture.addSystem()
      let (file, size) = try await database(fixture.closure(system), fixture)
      let disk = try reserve(
        at: fixture.scratch.path.appending("disk"), for: try scan(fixture), database: size)
      try await disk.write(fixture.closure(system), from: fixture.location, database: file, runner: runner)
      disks.append(try contents(disk.file))
    }
    #expect(disks[0] == disks[1])
  }

  /// The worst case for the tables: nothing but long names of empty files, links and folders.
  @Test func theReservedSizeIsEnough() async throws {
    var fixture = try StoreFixture()
    let system = try fixture.addSystem()
    try fixture.add("names") { folder in
      try makeFolder(folder)
      // Not a FilePath for each name: without optimisation that takes milliseconds.
      for number in 0..<3000 {
        let path = "\(folder)/" + String(repeating: "n", count: number % 250) + "\(number)"
        switch number % 3 {
        case 0: #expect(FileManager.default.createFile(atPath: path, contents: nil))
        case 1: try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "\(number)")
        default: #expect(mkdir(path, 0o755) == 0)
        }
      }
    }
    let (file, size) = try await database(fixture.closure(system), fixture)
    let disk = try reserve(
      at: fixture.scratch.path.appending("disk"), for: try scan(fixture), database: size)
    try await disk.write(fixture.closure(system), from: fixture.location, database: file, runner: runner)
    // Bytes 40 to 47 of the superblock: what the filesystem uses.
    let used = try contents(disk.file)[40..<48].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    #expect(used <= disk.size.bytes - (1 << 20))
    #expect(used > 500_000)
  }

  @Test func vanishedObjectsAreNamed() async throws {
    var fixture = try StoreFixture()
    let system = try fixture.addSystem()
    let (file, size) = try await database(fixture.closure(system), fixture)
    let disk = try reserve(
      at: fixture.scratch.path.appending("disk"), for: try scan(fixture), database: size)
    try FileManager.default.removeItem(atPath: fixture.location.file(of: system).string)
    let (closure, location) = (fixture.closure(system), fixture.location)
    let error = await #expect(throws: StoreError.self) {
      try await disk.write(closure, from: location, database: file, runner: runner)
    }
    #expect(error?.code == .sourceDisk)
    #expect(try #require(error).reason.contains(system.name))
    #expect(error?.remedy == "Run: nix-store --verify --check-contents --repair")
  }

  @Test func databasesMustBeReadable() async throws {
    var fixture = try StoreFixture()
    let system = try fixture.addSystem()
    let disk = try reserve(
      at: fixture.scratch.path.appending("disk"), for: try scan(fixture), database: .mebibytes(1))
    let (closure, location) = (fixture.closure(system), fixture.location)
    for database: FilePath in ["/absent", "relative"] {
      await #expect(throws: StoreError.self) {
        try await disk.write(closure, from: location, database: database, runner: runner)
      }
    }
  }

  @Test func nothingIsOverwritten() throws {
    let scratch = try ScratchFolder()
    #expect(throws: StoreError.self) {
      try reserve(at: scratch.path, for: TreeScan(), database: .mebibytes(1))
    }
    #expect(throws: StoreError.self) {
      try reserve(at: "relative", for: TreeScan(), database: .mebibytes(1))
    }
  }
}

/// Failures that a healthy machine does not show.
struct SourceDiskFailureTests {
  private struct FailingRunner: CommandRunner {
    var reason: CommandFailure.Reason
    var tail: [String]

    func run(_ command: Command, log: @escaping @Sendable (String) -> Void) async throws -> String {
      throw CommandFailure(command: command, reason: reason, tail: tail)
    }
  }

  @Test(arguments: [
    (
      CommandFailure.Reason.exited(127), "env: 'mksquashfs': No such file or directory",
      "Install squashfs-tools"
    ),
    (.exited(1), "Write failed because No space left on device", "Free 1.0 MiB on the filesystem"),
    (.signalled(9), "Killed", "nix-store --verify"),
  ])
  func remediesFitTheCause(_ reason: CommandFailure.Reason, line: String, remedy: String) async throws {
    let fixture = try StoreFixture()
    let disk = try reserve(
      at: fixture.scratch.path.appending("disk"), for: TreeScan(), database: ByteSize(bytes: 0))
    let error = await #expect(throws: StoreError.self) {
      try await disk.write(
        fixture.closure(), from: fixture.location, database: "/db.sqlite",
        runner: FailingRunner(reason: reason, tail: [line]))
    }
    #expect(try #require(error).remedy.contains(remedy))
    #expect(try #require(error).reason.contains(line))
  }
}

/// A disk of the size that a scan asks for.
private func reserve(at file: FilePath, for scan: TreeScan, database: ByteSize) throws -> SourceDisk {
  let disk = SourceDisk(file: file, size: SourceDisk.upperBound(for: scan, database: database))
  try disk.reserve()
  return disk
}

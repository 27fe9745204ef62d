import Basics
import Foundation
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import NixStore

struct ClosureCheckTests {
  private func problems(
    of closure: Closure, in fixture: StoreFixture, systems: StorePath...
  ) async throws -> [Fault] {
    let error = await #expect(throws: Fault.self) {
      try await closure.check(in: fixture.location, systems: systems)
    }
    let problems = try closure.problems(in: fixture.location, systems: systems, installsBootLoader: true)
    #expect(error == Closure.fault(of: problems))
    #expect(problems.allSatisfy { $0.kind == .badInput })
    return problems
  }

  @Test func wholeClosuresPass() async throws {
    var fixture = try StoreFixture()
    let system = try fixture.addSystem()
    try await fixture.closure(system).check(in: fixture.location, systems: [system])
  }

  @Test func damageIsFoundWithoutReading() async throws {
    var fixture = try StoreFixture()
    let system = try fixture.addSystem()
    let (library, kernel) = (fixture.paths[0].path, fixture.paths[1].path)
    let file = fixture.location.file(of: library).appending(["lib", "lib.so"])
    try FileManager.default.removeItem(atPath: file.string)
    try write("bytes", to: file)
    try FileManager.default.removeItem(atPath: fixture.location.file(of: kernel).string)
    let found = try await problems(of: fixture.closure(system), in: fixture, systems: system)
    #expect(found.count == 3)
    for (cause, text) in [
      ("it was modified", "nix-store --repair-path \(library)"),
      ("does not exist", "nix-store --verify --check-contents --repair"), ("it has no", "'kernel'"),
    ] {
      #expect("\(try #require(found.first { $0.cause.contains(cause) }))".contains(text))
    }
  }

  @Test func everythingReferredToMustBeThere() async throws {
    var fixture = try StoreFixture()
    let system = try fixture.addSystem()
    let closure = Closure(roots: [system], paths: fixture.paths.dropFirst())
    let found = try await problems(of: closure, in: fixture, systems: system)
    try #require(found.count == 1)
    #expect(found[0].cause.contains(fixture.paths[0].path.path))
    let other = try await problems(
      of: fixture.closure(system), in: fixture, systems: try storePath("other"))
    #expect(other.map(\.cause) == ["it is not in the closure"])
  }

  @Test func everySystemHasToBeOne() async throws {
    var fixture = try StoreFixture()
    let system = try fixture.addSystem()
    let other = try fixture.add("other") { try write("no system", to: $0) }
    let found = try await problems(
      of: fixture.closure(system), in: fixture, systems: system, other, try storePath("gone"))
    #expect(found.first?.cause == "it is not in the closure")
    let entries = found.dropFirst()
    #expect(entries.count == 3)
    #expect(entries.allSatisfy { $0.message.contains("\(other)") && $0.cause.contains("it has no") })
  }

  @Test func specialFilesAreRefused() async throws {
    var fixture = try StoreFixture()
    let system = try fixture.addSystem()
    let pipe = fixture.location.file(of: system).appending("pipe")
    #expect(mkfifo(pipe.string, 0o644) == 0)
    let found = try await problems(of: fixture.closure(system), in: fixture, systems: system)
    try #require(found.count == 1)
    #expect(found[0].cause == "'\(pipe)' is neither a file nor a folder nor a link")
  }

  @Test(arguments: ["23.05pre123", "24.11"])
  func a35ABootSpecificationIsNeededWhereBootloadersReadIt(version: String) async throws {
    var fixture = try StoreFixture()
    let system = try fixture.addSystem(version: version)
    let found = try await problems(of: fixture.closure(system), in: fixture, systems: system)
    try #require(found.count == 1)
    #expect("\(found[0])".contains("boot.bootspec.enable"))
    try await fixture.closure(system).check(
      in: fixture.location, systems: [system], installsBootLoader: false)
  }

  @Test(arguments: ["22.11.4773", "my own"])
  func a35EarlierSystemsHaveNoBootSpecification(version: String) async throws {
    var fixture = try StoreFixture()
    let system = try fixture.addSystem(version: version)
    try await fixture.closure(system).check(in: fixture.location, systems: [system])
  }

  @Test func aSystemThatCannotSwitchIsToldWhatItLacks() async throws {
    var fixture = try StoreFixture()
    let system = try fixture.addSystem(version: "24.11")
    let folder = fixture.location.file(of: system)
    try FileManager.default.removeItem(atPath: folder.appending(["bin", "switch-to-configuration"]).string)
    let found = try await problems(of: fixture.closure(system), in: fixture, systems: system)
    let text = found.map(\.description).joined(separator: "\n")
    #expect(text.contains("system.switch.enable = false") && text.contains("installBootLoader to false"))
    #expect(!text.contains("Give the toplevel"))
  }

  @Test func manyProblemsAreCutShort() {
    let problem = Fault(.badInput, "cannot install x", cause: "it is gone", remedy: "Restore it.")
    let lines = Closure.fault(of: Array(repeating: problem, count: 12))?.lines ?? []
    #expect(lines.last == "  … and 2 more problems")
    #expect(lines.first == "the closure cannot be installed: cannot install x: it is gone")
    #expect(lines.dropFirst().first == "    Restore it.")
  }
}

struct ArchiveSizeTests {
  @Test func linkedFilesCountInFull() throws {
    var fixture = try StoreFixture()
    let one = try fixture.add("one") { try write(String(repeating: "x", count: 5000), to: $0) }
    let file = fixture.location.file(of: one)
    let two = try fixture.add("two") { folder in
      try makeFolder(folder)
      try FileManager.default.linkItem(atPath: file.string, toPath: folder.appending("same").string)
    }
    #expect(try ArchiveSize.of(fixture.location.file(of: two)) > 5000)
  }

  /// The size of an archive, as `nix-store --dump` gives it for one file of six bytes: see `nix-store -q
  /// --size`.
  @Test func archiveSizeFollowsFromTheTree() throws {
    var fixture = try StoreFixture()
    try fixture.add("file") { try write("hello\n", to: $0) }
    try fixture.add("program") { try write("hello\n", to: $0, mode: 0o555) }
    try fixture.add("link") { try link($0, to: "123456789") }
    #expect(fixture.paths.map(\.narSize) == [120, 152, 128])
  }

  @Test func namesNeedNotBeText() throws {
    var fixture = try StoreFixture()
    let path = try fixture.add("odd") { folder in
      try makeFolder(folder)
      let name: [CChar] = [UInt8(0xff), 0x0a, 0x20].map(CChar.init(bitPattern:)) + [0]
      let file = folder.appending(try #require(FilePath.Component(platformString: name)))
      try FileDescriptor.open(file, .writeOnly, options: .create, permissions: .ownerRead).close()
    }
    // As `nix-store --dump` gives it for such a folder: a name of three bytes takes as much as one of eight.
    let plain = try fixture.add("plain") { folder in
      try makeFolder(folder)
      try write("", to: folder.appending("12345678"))
    }
    #expect(
      try ArchiveSize.of(fixture.location.file(of: path)) == ArchiveSize.of(fixture.location.file(of: plain)))
  }

  @Test func cancellationEndsTheCountOfAnArchive() async throws {
    var fixture = try StoreFixture()
    let system = try fixture.addSystem()
    let (closure, location) = (fixture.closure(system), fixture.location)
    await #expect(throws: CancellationError.self) {
      try await whenCancelled { _ = try ArchiveSize.of(location.file(of: system)) }
    }
    await #expect(throws: CancellationError.self) {
      try await whenCancelled { try await closure.check(in: location, systems: [system]) }
    }
  }
}

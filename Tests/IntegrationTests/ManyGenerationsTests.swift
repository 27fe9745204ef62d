import Command
import Foundation
import ImageBuilder
import SystemPackage
import TestSupport
import Testing

/// Images with five generations of a usual system, each with two specialisations and an initrd of its own.
@Suite(.virtualMachines, .sweep, .serialized) struct ManyGenerationsTests {
  /// One image: its systems' common name, and its table.
  struct Cell: Sendable, CustomTestStringConvertible {
    let systems: String
    let table: String
    var isEFI: Bool { table == "efi" }
    var isGRUB: Bool { systems.contains("grub") }

    var testDescription: String { "\(systems) on \(table)" }
  }

  private static let cells = [
    Cell(systems: "demo", table: "efi"), Cell(systems: "demo-grub-efi", table: "efi"),
    Cell(systems: "demo-grub-bios", table: "legacy"),
  ]
  private static let count = 5
  private static let specialisations = ["quiet", "verbose"]

  @Test(arguments: cells) func everyGenerationIsInTheMenuAndNothingIsThereTwice(cell: Cell) async throws {
    try await withScratchDirectory { scratch in
      let out = scratch.appending("r")
      var systems: [String] = []
      for number in 1...Self.count { systems.append(try await TestSystem.path("\(cell.systems)-\(number)")) }
      let built = try await SlipwayCommand.run(
        ["build", "--out", out.string, "--additional-space", "32M", "--partition-table-type", cell.table]
          + systems.flatMap { ["--system", $0] })
      try #require(built.status == 0, "\(built.errors)")

      let image = DiskImage(out.appending("nixos.img"))
      let boot = scratch.appending("boot")
      try await image.copyBoot(isESP: cell.isEFI, to: boot, scratch: scratch)
      let files =
        cell.isGRUB
        ? try expectGRUBMenu(of: systems, in: boot) : try expectLoaderEntries(of: systems, in: boot)
      #expect(files.count == 1 + Self.count, "one kernel, and an initrd of each generation: \(files)")

      let closure = try await StoreSize(of: systems)
      let bootBytes = try StoreSize.bytes(of: boot.string)
      let used = try #require(allocatedSize(of: image.file))
      let bar = closure.bytes + bootBytes
      print(
        "\(cell.testDescription): \(used) bytes used, \(closure.bytes) in \(closure.paths) store paths and \(bootBytes) on /boot: "
          + String(format: "%.4f", Double(used) / Double(bar)))
      #expect(Double(used) <= 1.02 * Double(bar))
      try await expectEveryEntryBoots(of: systems, in: out)
    }
  }

  /// Boots every entry, each of which has to name its own system. Prints how long that takes beside one boot for each.
  private func expectEveryEntryBoots(of systems: [String], in out: FilePath) async throws {
    let start = ContinuousClock.now
    let first = try await SlipwayCommand.run(["verify", out.string])
    let one = ContinuousClock.now - start
    #expect(first.status == 0, "\(first.errors)")
    let verified = try await SlipwayCommand.run(["verify", out.string, "--all", "--json"])
    let all = ContinuousClock.now - start - one
    try #require(verified.output.hasPrefix("{"), "\(verified.errors)")
    let result = try JSONDecoder().decode(VerifyResult.self, from: Data(verified.output.utf8))
    #expect(verified.status == 0 && result.isPassed, "\(result.boots.compactMap(\.failure))")
    #expect(Set(result.boots.compactMap(\.booted?.system)) == Set(try toplevels(of: systems).map(\.toplevel)))
    print(
      "\(result.boots.count) boots took \(all), one took \(one): "
        + String(format: "%.2f", all / (one * Double(result.boots.count))))
  }

  /// Every toplevel that an entry boots, with how its entry is named.
  private func toplevels(
    of systems: [String]
  ) throws -> [(number: Int, specialisation: String?, toplevel: String)] {
    var all: [(number: Int, specialisation: String?, toplevel: String)] = []
    for (number, system) in zip(1..., systems) {
      all.append((number, nil, system))
      for name in Self.specialisations {
        let toplevel = try FileManager.default.destinationOfSymbolicLink(
          atPath: "\(system)/specialisation/\(name)")
        all.append((number, name, toplevel))
      }
    }
    return all
  }

  /// Expects an entry of systemd-boot's for each toplevel, and no further one.
  ///
  /// - Returns: the files that entries name, as paths on the ESP.
  private func expectLoaderEntries(of systems: [String], in boot: FilePath) throws -> Set<String> {
    let folder = boot.appending("loader/entries")
    var names = Set(try FileManager.default.contentsOfDirectory(atPath: folder.string))
    var files: Set<String> = []
    for (number, specialisation, toplevel) in try toplevels(of: systems) {
      let name = "nixos-generation-\(number)\(specialisation.map { "-specialisation-\($0)" } ?? "").conf"
      #expect(names.remove(name) != nil, "there is no \(name)")
      let lines = try text(folder.appending(name)).split(separator: "\n")
      #expect(lines.contains { $0.hasPrefix("options init=\(toplevel)/init ") }, "\(name): \(lines)")
      for key in ["linux ", "initrd "] {
        let line = try #require(lines.first { $0.hasPrefix(key) })
        try insert(String(line.dropFirst(key.count)), into: &files, in: boot)
      }
    }
    #expect(names.isEmpty, "entries of nobody: \(names)")
    let loader = try text(boot.appending("loader/loader.conf"))
    #expect(loader.contains("default nixos-generation-\(Self.count).conf\n"), "\(loader)")
    return files
  }

  /// Expects an entry of GRUB's menu for each toplevel, and the last generation to be the first entry.
  ///
  /// - Returns: the files that entries name, as paths below `/boot`.
  private func expectGRUBMenu(of systems: [String], in boot: FilePath) throws -> Set<String> {
    let menu = try text(boot.appending("grub/grub.cfg"))
    let lines = menu.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
    let started = lines.filter { $0.hasPrefix("linux ") }.compactMap { line in
      line.split(separator: " ").first { $0.hasPrefix("init=") }?.dropFirst("init=".count)
    }
    let toplevels = try toplevels(of: systems)
    // The first three are those of the default.
    let last = toplevels.suffix(1 + Self.specialisations.count).map { "\($0.toplevel)/init" }
    let listed = (1...Self.count).reversed().flatMap { number in
      toplevels.filter { $0.number == number }.map { "\($0.toplevel)/init" }
    }
    #expect(started.map(String.init) == last + listed)
    for number in 1...Self.count {
      #expect(lines.count { $0.contains("Configuration \(number) ") } == 1 + Self.specialisations.count)
    }
    var files: Set<String> = []
    for line in lines where line.hasPrefix("linux ") || line.hasPrefix("initrd ") {
      let file = try #require(line.split(separator: " ").dropFirst().first)
      let path = String(try #require(file.split(separator: ")").last))
      try insert(
        path.hasPrefix("/boot/") ? String(path.dropFirst("/boot".count)) : path, into: &files, in: boot)
    }
    return files
  }

  private func insert(_ file: String, into files: inout Set<String>, in boot: FilePath) throws {
    files.insert(file)
    #expect(FileManager.default.fileExists(atPath: boot.string + file), "\(file) is not on /boot")
  }

  private func text(_ file: FilePath) throws -> String {
    try String(contentsOfFile: file.string, encoding: .utf8)
  }
}

/// What store paths take as files on a filesystem of 4096-byte blocks, each of them once, without its inodes.
private struct StoreSize {
  private(set) var paths = 0
  private(set) var bytes: Int64 = 0

  /// Of the union of the systems' closures.
  init(of systems: [String]) async throws {
    let closure = try await SubprocessRunner().run(
      Command("nix-store", ["--query", "--requisites"] + systems))
    for path in Set(closure.split(separator: "\n").map(String.init)) {
      paths += 1
      bytes += try Self.bytes(of: path)
    }
  }

  /// Of a tree.
  static func bytes(of path: String) throws -> Int64 {
    let manager = FileManager.default
    let attributes = try manager.attributesOfItem(atPath: path)
    let size = try #require(attributes[.size] as? Int64)
    let blocks = (size + 4095) / 4096 * 4096
    switch attributes[.type] as? FileAttributeType {
    case .typeDirectory?:
      return try manager.contentsOfDirectory(atPath: path).reduce(4096) {
        try $0 + bytes(of: "\(path)/\($1)")
      }
    // ext4 has a shorter target in the inode.
    case .typeSymbolicLink?: return size < 60 ? 0 : blocks
    default: return blocks
    }
  }
}

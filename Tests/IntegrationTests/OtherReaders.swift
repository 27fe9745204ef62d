import Command
import Foundation
import ImageBuilder
import ImageModel
import SystemPackage
import TestSupport
import Testing

/// Expects that `slipway inspect` reads of a raw image what other tools read of it.
struct OtherReaders {
  let image: FilePath
  let scratch: FilePath
  private let runner = SubprocessRunner()

  init(_ image: FilePath, in scratch: FilePath) {
    (self.image, self.scratch) = (image, scratch)
  }

  /// - Returns: the report, for what only it says.
  @discardableResult
  func expectAgreement() async throws -> ImageReport {
    let result = try await SlipwayCommand.run(["inspect", "--json", "--format", "raw", image.string])
    try #require(result.status == 0, "\(result.errors)")
    let report = try JSONDecoder().decode(ImageReport.self, from: Data(result.output.utf8))
    #expect(report.notes == [])
    try await expectTableOfSfdisk(report.disk)
    for partition in report.disk.partitions { try await expectFilesystemOfBlkid(partition) }
    try await expectFilesystemsOfLibguestfs(report.disk)
    try await expectEntriesOfBootctl(report)
    return report
  }

  private func expectTableOfSfdisk(_ disk: DiskReport) async throws {
    let table = try await DiskImage(image).table()
    #expect(disk.table.rawValue == (table.label == "dos" ? "mbr" : table.label))
    #expect(disk.identifier == table.id.lowercased())
    #expect(disk.sectorSize == table.sectorsize)
    #expect(disk.partitions.map { "\(image)\($0.number)" } == table.partitions.map(\.node))
    for (ours, theirs) in zip(disk.partitions, table.partitions) {
      #expect(ours.start == theirs.start * table.sectorsize)
      #expect(ours.size == theirs.size * table.sectorsize)
      #expect(ours.type?.description == theirs.type.lowercased())
      #expect(ours.guid?.description == theirs.uuid?.lowercased())
      #expect(ours.name == theirs.name ?? "")
      #expect(ours.isActive == theirs.bootable ?? false)
    }
  }

  private func expectFilesystemOfBlkid(_ partition: PartitionReport) async throws {
    func value(_ tag: String) async throws -> String? {
      let place = "-O \(partition.start) -S \(partition.size)"
      // It ends with 2 where it finds nothing.
      let script = "blkid -p -o value -s \(tag) \(place) \"$1\" || [ $? = 2 ]"
      let output = try await runner.run("sh", "-c", script, "sh", image.string)
      return output.isEmpty ? nil : output
    }
    let (content, number) = (partition.content, partition.number)
    #expect(try await value("TYPE") == Self.word(for: content.kind), "partition \(number)")
    #expect(try await value("LABEL") == content.label, "partition \(number)")
    #expect(try await value("UUID") == content.uuid, "partition \(number)")
  }

  /// The kernel's name of a kind of content; nil for none.
  private static func word(for kind: String) -> String? {
    switch kind {
    case "FAT": "vfat"
    case "unknown": nil
    default: kind
    }
  }

  private func expectFilesystemsOfLibguestfs(_ disk: DiskReport) async throws {
    let output = try await runner.run(
      Command(
        "virt-filesystems", ["--all", "--long", "--uuid", "--csv", "--format=raw", "-a", image.string],
        environment: ForeignImages.emulated))
    // Name, Type, VFS, Label, MBR, Size, Parent, UUID
    let rows = output.split(separator: "\n").dropFirst().map { Self.fields(String($0)) }
    try #require(rows.allSatisfy { $0.count == 8 }, "\(output)")
    let isExtended = { (partition: PartitionReport) in partition.typeName == "extended" }
    let partitions = disk.partitions.filter { !isExtended($0) }
    #expect(
      Set(partitions.map { ["/dev/sda\($0.number)", "\($0.size)"] })
        == Set(
          rows.filter { row in
            row[1] == "partition"
              && !disk.partitions.contains { isExtended($0) && "/dev/sda\($0.number)" == row[0] }
          }.map { [$0[0], $0[5]] }), "\(output)")
    let contents = partitions.map { partition in
      let content = partition.content
      return [
        "/dev/sda\(partition.number)", Self.word(for: content.kind) ?? "unknown", content.label ?? "",
        content.uuid ?? "",
      ]
    }
    #expect(
      Set(contents) == Set(rows.filter { $0[1] == "filesystem" }.map { [$0[0], $0[2], $0[3], $0[7]] }),
      "\(output)")
  }

  /// The fields of a line of CSV.
  private static func fields(_ line: String) -> [String] {
    var fields = [""]
    var isQuoted = false
    var last: Character?
    for character in line {
      switch character {
      case "\"":
        // A quote in the text is doubled: the second one opens again.
        if !isQuoted, last == "\"" { fields[fields.count - 1].append(character) }
        isQuoted.toggle()
      case "," where !isQuoted: fields.append("")
      default: fields[fields.count - 1].append(character)
      }
      last = character
    }
    return fields
  }

  // MARK: - Boot entries

  private struct Entry: Hashable, Decodable {
    var id: String
    var title: String?
    var version: String?
    var options: String?
    var linux: String?
    var initrd: [String]?
  }

  private func expectEntriesOfBootctl(_ report: ImageReport) async throws {
    func places(_ names: Set<String>) -> [PartitionReport] {
      report.disk.partitions.filter { names.contains($0.typeName ?? "") && $0.content.kind == "FAT" }
    }
    guard let system = places(["EFI system"]).first else { return }
    let boot = places(["extended boot loader"]).first
    let output = try await bootctl(system, boot)
    let lines = output.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
    let parts = lines.split(separator: "--", omittingEmptySubsequences: false).map(Array.init)
    try #require(parts.count == 2, "\(output)")
    let decoder = JSONDecoder()
    let theirs = try parts[0].map {
      var entry = try decoder.decode(Entry.self, from: Data($0.utf8))
      // Of a unified kernel image systemd 252 writes the path without its first slash.
      if let linux = entry.linux, !linux.hasPrefix("/") { entry.linux = "/" + linux }
      return entry
    }
    let entries = report.entries.filter { $0.kind != .grub }
    let ours = entries.map { entry in
      func paths(_ role: String) -> [String] { entry.files.filter { $0.role == role }.map(\.path) }
      let initrds = paths("initrd")
      return Entry(
        id: entry.identifier, title: entry.title, version: entry.version,
        options: entry.options.isEmpty ? nil : entry.options, linux: (paths("linux") + paths("efi")).first,
        initrd: initrds.isEmpty ? nil : initrds)
    }
    #expect(ours == theirs)
    #expect(entries.filter(\.isDefault).map(\.identifier) == Self.defaults(parts[1]))
  }

  /// The entries that the text for people marks.
  private static func defaults(_ lines: [String]) -> [String] {
    lines.indices.compactMap { index in
      guard lines[index].hasPrefix("title: "), lines[index].contains("(default)") else { return nil }
      let line = lines[index...].first { $0.hasPrefix("id: ") }
      return line.map { String($0.dropFirst(4)) }
    }
  }

  /// The copies of the boot partitions are mounts of their own, as bootctl asks for; they are gone when it ends.
  private func bootctl(_ system: PartitionReport, _ boot: PartitionReport?) async throws -> String {
    let script = """
      set -eu
      bootctl=$1 image=$2 folder=$3
      shift 3
      export SYSTEMD_RELAX_ESP_CHECKS=1 SYSTEMD_RELAX_XBOOTLDR_CHECKS=1 MTOOLS_SKIP_CHECK=1
      paths=
      for pair; do
        place=$folder/${pair%%=*}
        mkdir "$place"
        mount -t tmpfs tmpfs "$place"
        mcopy -s -i "$image@@${pair#*=}" '::/*' "$place"
        paths="$paths --${pair%%=*}-path=$place"
      done
      "$bootctl" list --no-pager --json=short $paths
      echo --
      "$bootctl" list --no-pager $paths
      """
    let program = try await TestSystem.path("tiny") + "/sw/bin/bootctl"
    let pairs = ["esp=\(system.start)"] + (boot.map { ["boot=\($0.start)"] } ?? [])
    let folder = scratch.appending("bootctl")
    try FileManager.default.createDirectory(atPath: folder.string, withIntermediateDirectories: true)
    return try await runner.run(
      Command(
        "unshare",
        ["--map-root-user", "--mount", "sh", "-c", script, "sh", program, image.string, folder.string] + pairs
      ))
  }
}

import Basics
import Command
import Ext4
import FAT
import Foundation
import ImageModel
import SystemPackage
import TestSupport
import Testing

@testable import ImageBuilder

/// A disk as NixOS's systemd-boot builder makes it, small: an ESP with two entries, a root with two generations.
struct InspectDisk {
  static let rootUUID = "11112222-3333-4444-5555-666677778888"
  static let system = "/nix/store/11111111111111111111111111111111-nixos"
  static let older = "/nix/store/22222222222222222222222222222222-nixos"

  /// Files of the ESP by their paths.
  var bootFiles: [String: String]
  /// Files of the root by their paths; `-> TARGET` is a link.
  var rootFiles: [String: String]
  /// Further files of the root that are not text.
  var rootBytes: [String: [UInt8]] = [:]
  var bootType = "U"

  init() {
    bootFiles = [
      "EFI/BOOT/BOOTX64.EFI": Self.program([(".sdmagic", "#### LoaderInfo: systemd-boot 257.4 ####\0")]),
      "EFI/nixos/kernel.efi": "kernel", "EFI/nixos/initrd.efi": "initrd",
      "loader/loader.conf": "timeout 5\ndefault nixos-generation-2.conf\nconsole-mode keep\n",
      "loader/entries/nixos-generation-1.conf": Self.entry(1, Self.older),
      "loader/entries/nixos-generation-2.conf": Self.entry(2, Self.system),
    ]
    rootFiles = [
      "nix/var/nix/profiles/system": "-> system-2-link",
      "nix/var/nix/profiles/system-1-link": "-> \(Self.older)",
      "nix/var/nix/profiles/system-2-link": "-> \(Self.system)",
    ]
    for system in [Self.older, Self.system] {
      rootFiles["\(system.dropFirst())/boot.json"] = Self.specification(system)
      rootFiles["\(system.dropFirst())/etc/fstab"] = """
        /dev/disk/by-uuid/\(Self.rootUUID) / ext4 x-initrd.mount 0 1
        /dev/disk/by-label/ESP /boot vfat defaults 0 2
        /dev/disk/by-label/away /away ext4 nofail 0 2

        """
    }
  }

  /// An EFI program, as far as a reader of sections looks: each is at most 512 bytes long, and all is ASCII.
  static func program(_ sections: [(name: String, content: String)] = []) -> String {
    func number(_ value: Int, _ size: Int) -> [UInt8] { (0..<size).map { UInt8(value >> (8 * $0) & 0xff) } }
    var bytes = Array("MZ".utf8) + [UInt8](repeating: 0, count: 58) + number(64, 4)
    bytes += Array("PE".utf8) + number(0, 4) + number(sections.count, 2) + number(0, 16)
    for (index, section) in sections.enumerated() {
      let name = Array(section.name.utf8)
      bytes += name + [UInt8](repeating: 0, count: 8 - name.count) + number(section.content.utf8.count, 4)
      bytes += number(0, 4) + number(512, 4) + number(512 * (index + 1), 4) + number(0, 16)
    }
    bytes += [UInt8](repeating: 0, count: 512 - bytes.count)
    for section in sections {
      bytes += Array(section.content.utf8) + [UInt8](repeating: 0, count: 512 - section.content.utf8.count)
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  static func entry(_ generation: Int, _ system: String) -> String {
    """
    title NixOS
    sort-key nixos
    version Generation \(generation) NixOS 25.05, built on 2025-01-01
    linux /EFI/nixos/kernel.efi
    initrd /EFI/nixos/initrd.efi
    options init=\(system)/init root=fstab loglevel=4
    machine-id 00000000000000000000000000000001

    """
  }

  static func specification(_ system: String) -> String {
    """
    {"org.nixos.bootspec.v1": {"init": "\(system)/init", "kernel": "/nix/store/k/bzImage", "label": "NixOS 25.05",
      "kernelParams": [], "system": "x86_64-linux", "toplevel": "\(system)"},
     "org.nixos.specialisation.v1": {"quiet": {"org.nixos.bootspec.v1": {"toplevel": "\(system)-quiet"}}}}
    """
  }

  /// Makes the disk and looks into it.
  func report(variables: String? = nil) async throws -> ImageReport {
    try await withScratchDirectory { scratch in
      let disk = scratch.appending("disk.img")
      try await make(disk)
      return try await ImageInspection(disk.string, variables: variables).run()
    }
  }

  func make(_ disk: FilePath) async throws {
    try HostFiles.makeSparseFile(disk, bytes: 32 << 20)
    let script = """
      label: gpt
      label-id: 11111111-2222-4333-8444-555555555555
      unit: sectors
      1 : start=2048, size=16384, type=\(bootType), uuid=11111111-2222-4333-8444-666666666666, name=ESP
      2 : start=20480, size=43008, type=L, uuid=11111111-2222-4333-8444-888888888888, name=root

      """
    try await SubprocessRunner().run(Command("sfdisk", ["--quiet", disk.string], input: script))
    let file = try FileDescriptor.open(disk, .readWrite)
    try file.closeAfter {
      let files = bootFiles.map {
        FATNode(path: $0.key, kind: .file(.bytes(Array($0.value.utf8))), time: 1_000_000_000)
      }
      try FAT.write(
        Self.folders(of: Array(bootFiles.keys)).map {
          FATNode(path: $0, kind: .directory, time: 1_000_000_000)
        } + files,
        FATVolume(
          sectorSize: 512, start: 2048, sectors: 16384, identifier: 0x1234_abcd, label: "ESP",
          time: 315_532_800), to: file, at: 1 << 20)
    }
    let options = Ext4Options(
      size: .mebibytes(20), offset: .mebibytes(10), uuid: try #require(GUID(Self.rootUUID)),
      hashSeed: GUID(high: 6, low: 7), label: "nixos")
    _ = try await Ext4.pour(ListedNodes(nodes()), to: disk, options)
  }

  private func nodes() throws -> [Node] {
    func node(_ path: String, _ kind: Node.Kind, mode: UInt16) throws -> Node {
      Node(
        path: try #require(TreePath(path)), kind: kind,
        attributes: Attributes(mode: mode, time: Timestamp(seconds: 1000)))
    }
    let folders = try ([""] + Self.folders(of: Array(rootFiles.keys) + rootBytes.keys)).map {
      try node($0, .directory, mode: 0o755)
    }
    let files = try rootFiles.map { path, content in
      content.hasPrefix("-> ")
        ? try node(path, .symbolicLink(target: Array(content.utf8.dropFirst(3))), mode: 0o777)
        : try node(path, .file(.bytes(Array(content.utf8))), mode: 0o644)
    }
    return try folders + files + rootBytes.map { try node($0.key, .file(.bytes($0.value)), mode: 0o644) }
  }

  private static func folders(of files: [String]) -> [String] {
    Set(
      files.flatMap { path in
        let parts = path.split(separator: "/")
        return (1..<parts.count).map { parts[..<$0].joined(separator: "/") }
      }
    ).sorted()
  }
}

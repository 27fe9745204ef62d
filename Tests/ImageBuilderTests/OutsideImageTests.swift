internal import Basics
import Command
import Foundation
import ImageModel
import SystemPackage
import TestSupport
import Testing

@testable import BuildPlan
@testable import ImageBuilder

/// Images, manifests and paths from anybody.
@Suite struct OutsideImageTests {
  private let runner = SubprocessRunner()

  private func refusal(_ image: FilePath, _ format: ImageFormat) async -> String {
    var words: [String] = []
    for request in [BootRequest(image: image.string, format: format, bios: true)] {
      let error = await #expect(throws: Fault.self) { _ = try await BootArtefacts.resolve(request) }
      #expect(error?.kind == .badInput)
      words.append(error?.message ?? "")
    }
    let error = await #expect(throws: Fault.self) {
      _ = try await BootDiskReader().read(image: image.string, format: format)
    }
    return (words + [error?.message ?? ""]).joined(separator: "\n")
  }

  /// A copy of the other file would be what is booted, and what is read.
  @Test(arguments: [
    (ImageFormat.qcow2, ["-b", "/etc/passwd", "-F", "raw"], "/etc/passwd"),
    (.qcow2, ["-u", "-b", "json:{\"driver\":\"nbd\"}", "-F", "raw"], "json:"),
    (.qcow2, ["-o", "data_file=data.raw"], "external data file"),
    (.vmdk, ["-o", "subformat=twoGbMaxExtentSparse"], "other files"),
    (.vmdk, ["-o", "subformat=monolithicFlat"], "other files"),
    (.vmdk, ["-b", "base.vmdk", "-F", "vmdk"], "parent"),
  ])
  func anImageWithOtherFilesIsRefused(format: ImageFormat, options: [String], words: String) async throws {
    try await withScratchDirectory { scratch in
      try await runner.run(
        Command("qemu-img", ["create", "-q", "-f", "vmdk", "base.vmdk", "4M"], folder: scratch.string))
      try await runner.run(
        Command(
          "qemu-img", ["create", "-q", "-f", format.qemuName] + options + ["image", "4M"],
          folder: scratch.string))
      let found = await refusal(scratch.appending("image"), format)
      #expect(found.split(separator: "\n").count == 2 && found.contains(words), "\(found)")
    }
  }

  @Test func aWholeImageOfEachFormatIsTaken() async throws {
    try await withScratchDirectory { scratch in
      for format in ["qcow2", "vmdk", "vdi", "vpc", "vhdx"] {
        let image = scratch.appending(format)
        try await runner.run("qemu-img", "create", "-q", "-f", format, image.string, "4M")
        try SelfContainedImage.check(image, try #require(ImageFormat(rawValue: format)))
      }
    }
  }

  @Test(arguments: ["folder", "pipe", "socket", "device", "missing"])
  func whatIsNoFileIsRefusedAndNotWaitedFor(kind: String) async throws {
    try await withScratchDirectory { scratch in
      var path = scratch.appending("image.img")
      switch kind {
      case "folder": try HostFiles.makeDirectory(path)
      case "pipe": #expect(mkfifo(path.string, 0o600) == 0)
      case "socket":
        try await runner.run(
          "python3", "-c", "import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])", path.string)
      case "device": path = "/dev/null"
      default: break
      }
      let found = await refusal(path, .raw)
      #expect(found.contains(kind == "missing" ? "does not exist" : "is a \(kind)"), "\(found)")
    }
  }

  /// What a manifest from somewhere else might say.
  @Test(arguments: [
    (#""version": 999"#, "version 999"), (#""version": 5, "images": 7"#, "not a manifest of this version"),
    (#""ver": 2"#, "not a manifest of this version"),
  ])
  func aManifestOfAnotherVersionIsRefused(content: String, words: String) async throws {
    try await withScratchDirectory { scratch in
      try HostFiles.write(Array("{\(content)}".utf8), to: scratch.appending("manifest.json"))
      let error = #expect(throws: Fault.self) { _ = try Manifest.read(from: scratch.string) }
      #expect(
        error?.kind == .badInput && error?.message.contains(words) == true, "\(String(describing: error))")
    }
  }

  @Test(arguments: ["../nixos.img", "/etc/passwd", "..", "", "a/b"])
  func aManifestThatNamesAFileElsewhereIsRefused(name: String) async throws {
    try await withScratchDirectory { scratch in
      let layout = DiskLayout(
        table: .none, sectorSize: 512, sectors: 8, guid: GUID(high: 1, low: 2), partitions: [])
      func manifest(image: String, store: String?) -> Manifest {
        Manifest(
          spec: ImageSpec(), system: "/nix/store/x", seed: GUID(high: 1, low: 2), time: 1, sealed: true,
          disk: layout,
          images: [
            Manifest.Image(
              OutputImage(disk: "d", format: .raw, file: image, identifier: GUID(high: 1, low: 2)))
          ],
          efiVariables: store, firmware: nil, efiVariableChanges: nil, files: [], tools: [:])
      }
      let file = scratch.appending("manifest.json")
      for (manifest, isGood) in [
        (manifest(image: "nixos.img", store: "efi-vars.fd"), true),
        (manifest(image: name, store: nil), false),
        (manifest(image: "nixos.img", store: name), false),
      ] {
        try HostFiles.write(manifest.json(), to: file)
        if isGood {
          #expect(try Manifest.read(from: scratch.string).images.count == 1)
        } else {
          let error = #expect(throws: Fault.self) { _ = try Manifest.read(from: scratch.string) }
          #expect(error?.message.contains("not the name of a file beside it") == true)
        }
      }
      try HostFiles.remove(file)
      #expect(mkfifo(file.string, 0o600) == 0)
      #expect(throws: Fault.self) { _ = try Manifest.read(from: scratch.string) }
    }
  }

  @Test(arguments: [
    ("/tmp/a\nb", "control character"), ("/tmp/a\u{7}b", "control character"), ("/tmp/a\u{FFFD}", "UTF-8"),
    ("/" + String(repeating: "n/", count: 600), "bytes"),
  ])
  func anOutputFolderThatNoMachineCanBeGivenIsRefusedByName(path: String, words: String) {
    let error = #expect(throws: Fault.self) { try OutputPath.check(path) }
    #expect(error?.kind == .badInput && error?.message.contains(words) == true)
  }

  @Test func aPathWithAControlCharacterGetsIntoNoXML() throws {
    let template = try DomainTemplate(name: "t", text: "<a b='{{disk}}'/>")
    #expect(throws: Fault.self) { try template.render(["disk": "/a\nb"]) }
    #expect(try template.render(["disk": "/a'b&<"]).contains("&amp;"))
  }

  /// What a guest writes onto its console, as `verify` prints it.
  @Test func aGuestsWordsCannotReachATerminal() throws {
    var verdict = try BootVerdict(expect: "login:")
    #expect(
      verdict.read("\u{1b}]52;c;cm0gLXJm\u{7}\u{9b}31m nixos login:")
        == .up(#"\u{1B}]52;c;cm0gLXJm\u{7}\u{9B}31m nixos login:"#))
    var lost = try BootVerdict(expect: "login:")
    guard case .lost(let reason) = lost.read("Kernel panic - not syncing: \u{1b}]0;x\u{7}\u{202e}y\n") else {
      Issue.record("a panic passes")
      return
    }
    #expect(reason.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value < 0x7f }, "\(reason)")
  }
}

import Command
import Foundation
import ImageBuilder
import SystemPackage
import TestSupport
import Testing

/// Images whose filesystems libguestfs's machine reads.
@Suite(.virtualMachines, .serialized) struct InspectTests {
  private let runner = SubprocessRunner()

  @Test func generationsOfAnotherFilesystemAreFound() async throws {
    try await withScratchDirectory { scratch in
      let image = scratch.appending("xfs.img")
      try await makeXFS(image, in: scratch)
      let before = try await runner.run("sha256sum", image.string)
      let result = try await SlipwayCommand.run(["inspect", "--json", image.string])
      try #require(result.status == 0, "\(result.errors)")
      let report = try JSONDecoder().decode(ImageReport.self, from: Data(result.output.utf8))
      #expect(report.notes == [])
      let content = try #require(report.disk.partitions.first?.content)
      #expect(content.kind == "xfs")
      #expect(content.uuid == "11111111-2222-4333-8444-555555555555")
      #expect(content.isRead)
      #expect(report.generations.map(\.number) == [1])
      #expect(report.generations.map(\.system) == ["/nix/store/x"])
      #expect(report.generations.map(\.label) == ["NixOS"])
      #expect(try await runner.run("sha256sum", image.string) == before)
      #expect(try await guests(of: scratch) == [])
    }
  }

  private func makeXFS(_ image: FilePath, in scratch: FilePath) async throws {
    let specification = scratch.appending("boot.json")
    let json = #"{"org.nixos.bootspec.v1": {"toplevel": "/nix/store/x", "label": "NixOS"}}"#
    try Data(json.utf8).write(to: URL(fileURLWithPath: specification.string))
    let list = scratch.appending("list")
    let text = """
      /dev/null
      0 0
      d--755 0 0
      nix d--755 0 0
      store d--755 0 0
      x d--755 0 0
      boot.json ---644 0 0 \(specification)
      $
      $
      var d--755 0 0
      nix d--755 0 0
      profiles d--755 0 0
      system l--777 0 0 system-1-link
      system-1-link l--777 0 0 /nix/store/x
      $
      $
      $
      $
      $

      """
    try Data(text.utf8).write(to: URL(fileURLWithPath: list.string))
    try await runner.run("truncate", "-s", "330M", image.string)
    let uuid = "11111111-2222-4333-8444-555555555555"
    try await runner.run("mkfs.xfs", "-q", "-m", "uuid=\(uuid)", "-p", list.string, image.string)
  }
}

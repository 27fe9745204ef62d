import Basics
import BuildPlan
import ImageModel
import Testing

@testable import ImageBuilder

/// What is built again, and what counts as another result.
@Suite struct ReproductionTests {
  private func manifest(_ spec: ImageSpec) -> Manifest {
    Manifest(
      spec: spec.withoutScripts, system: "/nix/store/a",
      disk: DiskLayout(
        table: .none, sectorSize: 512, sectors: 1, guid: GUID(high: 1, low: 2), partitions: []),
      images: [], files: [], tools: [:])
  }

  @Test func scriptsTakeThePlacesOfTheirDigests() throws {
    var spec = ImageSpec()
    spec.system = "/nix/store/a"
    spec.postVM = "true"
    var scripts = ImageSpec()
    scripts.postVM = "true"
    #expect(try Reproduction.spec(of: manifest(spec), with: scripts) == spec)
    let missing = #expect(throws: Fault.self) {
      try Reproduction.spec(of: manifest(spec), with: ImageSpec())
    }
    #expect(missing?.message == "the build had the script postVM, of which its manifest has the digest alone")
    scripts.postVM = "false"
    let other = #expect(throws: Fault.self) { try Reproduction.spec(of: manifest(spec), with: scripts) }
    #expect(other?.message == "this is not the script postVM of the build")
    scripts.postVM = "true"
    scripts.preVM = "true"
    #expect(throws: Fault.self) { try Reproduction.spec(of: manifest(spec), with: scripts) }
  }

  @Test func otherToolsAreNamedWhereBytesDiffer() {
    let tool = ImageDifference(region: "manifest.json", field: "tools.sfdisk", left: "1", right: "2")
    #expect(Reproduction.judged(ImageDifferences(differences: [tool])).isEmpty)
    let bytes = ImageDifference(region: "nixos.img", field: "bytes", left: "00", right: "01")
    let judged = Reproduction.judged(ImageDifferences(differences: [tool, bytes]))
    #expect(judged.differences == [bytes])
    #expect(judged.notes == ["sfdisk was 1, and is 2"])
  }
}

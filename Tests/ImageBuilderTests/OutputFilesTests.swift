import Command
import Foundation
import ImageModel
import SystemPackage
import TestSupport
import Testing

@testable import BuildPlan
@testable import ImageBuilder

/// What a build says of its output after `postVM` has been there.
@Suite struct OutputFilesTests {
  private let outputs = OutputPlan(
    images: [
      OutputImage(disk: "d", format: .raw, file: "nixos.img", identifier: GUID(high: 1, low: 1)),
      OutputImage(
        disk: "d", format: .compressedQcow2, file: "nixos.qcow2", identifier: GUID(high: 1, low: 2)),
    ], efiVariables: "efi-vars.fd", efiVarsForm: .canonical, stripFirmwareVariables: nil)

  /// Runs a script as `postVM`, in a folder with two images and a variable store.
  private func after(
    _ script: String, name: String = "out", _ body: (OutputFiles, FilePath) async throws -> Void
  ) async throws {
    try await withScratchDirectory { scratch in
      let out = scratch.appending(name)
      try await OutputFolder.with(out.string, force: false) { folder in
        for name in ["nixos.img", "nixos.qcow2", "efi-vars.fd"] {
          try HostFiles.write(Array(name.utf8), to: folder.work.appending(name))
        }
        let files = OutputFiles(outputs: outputs, folder: folder)
        try files.writeProducts()
        let hook = HostHook(
          name: "postVM", script: script, runner: SubprocessRunner(), recorder: StepRecorder { _ in })
        try await hook.run(
          in: folder.work, environment: ["diskImage": folder.work.appending("nixos.img").string])
        try files.updateProducts()
        try await body(files, out)
      }
    }
  }

  private func products(_ files: OutputFiles) throws -> [String] {
    let list = files.folder.work.appending("nix-support/hydra-build-products")
    return String(decoding: try HostFiles.read(list), as: UTF8.self).split(separator: "\n").map(String.init)
  }

  /// Hydra passes over a line that it cannot read.
  @Test(arguments: ["nixos", "my image", "a<b>c", "ä"]) func hydraReadsEachLine(_ name: String) async throws {
    let images = ImageFormat.allCases.map { format in
      OutputImage(
        disk: "d", format: format, file: "\(name).\(format.fileExtension)", identifier: GUID(high: 1, low: 1))
    }
    try await withScratchDirectory { scratch in
      try await OutputFolder.with(scratch.appending("out").string, force: false) { folder in
        let files = OutputFiles(
          outputs: OutputPlan(
            images: images, efiVariables: nil, efiVarsForm: nil, stripFirmwareVariables: nil),
          folder: folder)
        try files.writeProducts()
        let products = try products(files).map { HydraProduct(line: $0) }
        #expect(products.map(\.?.path) == images.map { "\(scratch)/out/\($0.file)" })
        #expect(products.allSatisfy { $0?.type == "file" && $0?.subtype.hasSuffix("-image") == true })
      }
    }
  }

  @Test(arguments: [
    // Azure, Hyper-V, Linode and VMware.
    ("cp $diskImage $out/nixos.vhd; rm $diskImage", "nixos.vhd"),
    // Google.
    (
      "pushd $out; mv $diskImage disk.raw; tar -Sc disk.raw | gzip -6 > nixos.raw.tar.gz; rm $out/disk.raw; popd",
      "nixos.raw.tar.gz"
    ),
    // DigitalOcean.
    ("gzip $diskImage", "nixos.img.gz"), ("zstd -q --rm $diskImage", "nixos.img.zst"),
    ("rm $diskImage; mkdir $diskImage; cp efi-vars.fd $diskImage/x", "nixos.img/x"),
    ("mv $diskImage other; ln -s other $diskImage", "other"),
  ])
  func anImageThatIsGoneIsNotNamed(script: String, result: String) async throws {
    try await after(script) { files, out in
      #expect(files.images.map(\.file) == ["nixos.qcow2"])
      #expect(files.efiVariables == "efi-vars.fd")
      let (described, products) = (try await files.describe(), try products(files))
      #expect(described.map(\.path) == ["efi-vars.fd", result, "nixos.qcow2"].sorted())
      #expect(products == ["file qcow2-image \(out)/nixos.qcow2"])
    }
  }

  @Test func whatAScriptAddsToHydrasListNamesTheFinalFolder() async throws {
    let script = """
      fn="$out/nixos.ova"; mv "$diskImage" "$fn"
      mkdir -p "$out/nix-support"
      echo "file ova $fn" >> "$out/nix-support/hydra-build-products"
      """
    try await after(script, name: "my out") { files, out in
      let products = try products(files)
      #expect(products == ["file qcow2-image \"\(out)/nixos.qcow2\"", "file ova \(out)/nixos.ova"])
    }
  }

  @Test func allMayGo() async throws {
    try await after("rm $diskImage nixos.qcow2 efi-vars.fd; rm -r nix-support") { files, _ in
      #expect(files.images.isEmpty && files.efiVariables == nil)
      let described = try await files.describe()
      #expect(described.isEmpty)
    }
  }
}

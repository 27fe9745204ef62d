import Command
import Foundation
import SystemPackage
import TestSupport
import Testing

/// An image whose firmware starts nothing but what is signed.
@Suite(.virtualMachines, .serialized) struct SecureBootTests {
  private let runner = SubprocessRunner()
  /// Debian's, which a descriptor names: it needs system management mode.
  private static let secureCode = "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd"

  /// Also: firmware and store in qcow2; firmware in a folder as nixpkgs has it, of which nothing but the spec says that it needs SMM, and another
  /// appliance kernel than the one in /boot.
  @Test func a17SignedBootsAndA41UnsignedOrAlteredDoesNot() async throws {
    try await withScratchDirectory { scratch in
      let keys = try await keys(in: scratch)
      let out = scratch.appending("r")
      let built = try await SlipwayCommand.run(
        ["build", try await spec(keys, in: scratch).string, "--system", try await TestSystem.path("secure")]
          + ["--additional-space", "16M", "--out", out.string] + (try kernelOfOurs(in: scratch)))
      try #require(built.status == 0, "\(built.errors)")
      try await keyStaysOutside(keys.signer, out)
      let artefacts = try FileManager.default.contentsOfDirectory(atPath: out.string)
      #expect(!artefacts.contains { $0.hasPrefix("firmware-") }, "\(artefacts)")
      #expect(!built.errors.contains("warning"), "\(built.errors)")

      let verified = try await SlipwayCommand.run([
        "verify", out.string, "--expect", #"Secure Boot: enabled \(user\)[\s\S]*login: ?$"#,
      ])
      #expect(verified.status == 0, "\(verified.errors)")
      #expect(verified.output.contains("secure boot: on"))

      let insecure = try await SlipwayCommand.run([
        "verify", out.string, "--efi-firmware", "/usr/share/OVMF/OVMF_CODE_4M.fd",
      ])
      #expect(insecure.status == 2 && insecure.cause.contains("Secure Boot"), "\(insecure.errors)")

      let variables = scratch.appending("efi-vars.qcow2")
      try await convert(out.appending("efi-vars.fd").string, to: variables)
      for change in Alteration.allCases {
        try await change.make(on: DiskImage(out.appending("nixos.img")), in: scratch)
        let refused = try await SlipwayCommand.run([
          "verify", "--image", out.appending("nixos.img").string, "--efi-firmware", Self.secureCode,
          "--efi-vars", variables.string, "--timeout", "200",
        ])
        #expect(refused.status == 1, "\(change): \(refused.output)")
        #expect(
          refused.cause.contains("refused") && refused.cause.contains("Access Denied"), "\(refused.errors)")
      }
    }
  }

  @Test func aHostWithoutSecureBootIsNotAbleAndBadKeysAreBadInput() async throws {
    try await withScratchDirectory { scratch in
      let platform = try await TestCertificate("PK", in: scratch)
      let descriptors = scratch.appending("config/qemu/firmware").string
      // An empty file hides the descriptors of that name.
      try await runner.run(
        "sh", "-c", "mkdir -p $1 && for f in /usr/share/qemu/firmware/*secure*; do : > $1/${f##*/}; done",
        "sh",
        descriptors)
      let system = try await TestSystem.path("tiny")
      func build(
        pk: String, signing: [String] = [], variables: [String: String] = [:]
      ) async throws -> SlipwayCommand.Result {
        try await SlipwayCommand.run(
          ["build", "--system", system, "--out", scratch.appending("r").string, "--secure-boot-pk", pk]
            + ["--secure-boot-kek", platform.pem.string, "--secure-boot-db", platform.der.string] + signing,
          environment: variables)
      }
      let unable = try await build(
        pk: platform.pem.string, variables: ["XDG_CONFIG_HOME": scratch.appending("config").string])
      #expect(unable.status == 3)
      #expect(unable.errors.contains("with Secure Boot") && unable.errors.contains("apt install ovmf"))
      let bad = try await build(pk: platform.key.string)
      #expect(bad.status == 2)
      #expect(bad.cause.contains("secureBoot") && bad.cause.contains("'pk'"), "\(bad.errors)")
      let other = try await TestCertificate("other", in: scratch)
      let mixed = try await build(
        pk: platform.pem.string,
        signing: ["--secure-boot-sign-key", other.key.string, "--secure-boot-sign-cert", platform.pem.string])
      #expect(mixed.status == 2)
      #expect(mixed.cause.contains("not that of the certificate"), "\(mixed.errors)")
    }
  }
}

extension SecureBootTests {
  private struct Keys {
    var platform: TestCertificate
    var exchange: TestCertificate
    var signer: TestCertificate
  }

  private func keys(in scratch: FilePath) async throws -> Keys {
    Keys(
      platform: try await TestCertificate("PK", in: scratch),
      exchange: try await TestCertificate("KEK", in: scratch),
      signer: try await TestCertificate("db", in: scratch))
  }

  /// The format in which Fedora ships firmware.
  private func convert(_ raw: String, to file: FilePath) async throws {
    try await runner.run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, file.string)
  }

  private func spec(_ keys: Keys, in scratch: FilePath) async throws -> FilePath {
    let firmware = scratch.appending("OVMF/FV")
    try FileManager.default.createDirectory(atPath: firmware.string, withIntermediateDirectories: true)
    try await convert(Self.secureCode, to: firmware.appending("OVMF_CODE.fd"))
    try await convert("/usr/share/OVMF/OVMF_VARS_4M.fd", to: firmware.appending("OVMF_VARS.fd"))
    let spec = scratch.appending("spec.json")
    let json = """
      {"OVMF": "\(scratch.appending("OVMF"))", "efiFirmwareNeedsSMM": true,
       "secureBoot": {"pk": "\(keys.platform.der)", "kek": "\(keys.exchange.pem)", "db": ["\(keys.signer.pem)"],
                      "sign": {"key": "\(keys.signer.key)", "cert": "\(keys.signer.pem)"}}}
      """
    try Data(json.utf8).write(to: URL(fileURLWithPath: spec.string))
    return spec
  }

  /// The flags for a kernel that is where nobody looks for one.
  private func kernelOfOurs(in scratch: FilePath) throws -> [String] {
    let kernel = scratch.appending("kernel")
    try FileManager.default.copyItem(atPath: GuestKernel.path(), toPath: kernel.string)
    return ["--kernel", kernel.string, "--modules", "/lib/modules/\(try GuestKernel.version())"]
  }

  /// Neither the image nor anything beside it has a line of the private key.
  private func keyStaysOutside(_ signer: TestCertificate, _ out: FilePath) async throws {
    let line = try String(contentsOfFile: signer.key.string, encoding: .utf8).split(separator: "\n")[1]
    #expect(line.count == 64)
    let found = try await runner.run(
      "sh", "-c", "grep -r -a -F -l -e \"$1\" \"$2\" || true", "sh", String(line), out.string)
    #expect(found.isEmpty, "\(found)")
  }
}

/// What somebody does to the ESP of a signed image; one after the other, so that each loader is good but for this.
private enum Alteration: CaseIterable {
  case bitOfKernel, bitOfLoader, unsignedLoader

  private static let loaders = ["EFI/systemd/systemd-bootx64.efi", "EFI/BOOT/BOOTX64.EFI"]

  func make(on image: DiskImage, in scratch: FilePath) async throws {
    let start = try await image.partitions()[0].start * 512
    let esp = FileSystemOnImage(place: "\(image.file)@@\(start)", scratch: scratch.appending("altered"))
    switch self {
    case .bitOfKernel:
      let kernel = try #require(try await esp.files(in: "EFI/nixos").first { $0.hasSuffix("bzImage.efi") })
      try await esp.change(kernel) { $0[$0.count / 2] ^= 1 }
    case .bitOfLoader:
      for loader in Self.loaders { try await esp.change(loader) { $0[$0.count / 2] ^= 1 } }
    case .unsignedLoader:
      let system = try await TestSystem.path("tiny")
      let original = try await SubprocessRunner().run(
        "sh", "-c", "echo \"$(dirname \"$(dirname \"$(readlink -f $1/sw/bin/bootctl)\")\")\"", "sh", system)
      let bytes = try Data(
        contentsOf: URL(fileURLWithPath: "\(original)/lib/systemd/boot/efi/systemd-bootx64.efi"))
      for loader in Self.loaders { try await esp.change(loader) { $0 = bytes } }
    }
  }
}

/// A FAT filesystem in an image, by mtools.
private struct FileSystemOnImage {
  let place: String
  let scratch: FilePath
  private let runner = SubprocessRunner()

  init(place: String, scratch: FilePath) {
    self.place = place
    self.scratch = scratch
  }

  func files(in folder: String) async throws -> [String] {
    try await runner.run("mdir", "-b", "-i", place, "::/\(folder)").split(separator: "\n")
      .map { String($0.dropFirst(3)) }
  }

  func change(_ file: String, _ change: (inout Data) -> Void) async throws {
    let url = URL(fileURLWithPath: scratch.string)
    try await runner.run("mcopy", "-n", "-o", "-i", place, "::/\(file)", scratch.string)
    var bytes = try Data(contentsOf: url)
    change(&bytes)
    try bytes.write(to: url)
    try await runner.run("mcopy", "-o", "-i", place, scratch.string, "::/\(file)")
  }
}

import Foundation
import SystemPackage
import TestSupport
import Testing

/// Images and manifests of other people's.
@Suite(.virtualMachines, .serialized) struct ArtefactTests {
  @Test func aForeignBackingFileIsNotFollowed() async throws {
    try await row("qcow2 with a backing file", "verify, efivars check") { bench in
      let image = bench.inputs.appending("foreign.qcow2").string
      _ = try await SubprocessRunnerText.run(
        "qemu-img", "create", "-q", "-f", "qcow2", "-b", "/etc/passwd", "-F", "raw", image, "64M")
      for words in [
        ["verify", "--image", image, "--timeout", "60"],
        ["efivars", "check", "/usr/share/OVMF/OVMF_VARS_4M.fd", "--image", image],
      ] {
        bench.expect(try await bench.run(words), status: 2, says: "backing")
      }
    }
  }

  @Test func aFifoIsNoImage() async throws {
    try await row("FIFO as an image", "verify --image") { bench in
      let image = bench.inputs.appending("fifo.img").string
      mkfifo(image, 0o600)
      bench.expect(
        try await bench.run(["verify", "--image", image, "--timeout", "60"], limit: .seconds(180)), status: 2)
    }
  }

  @Test(arguments: [#""version": 999"#, #""images": [{"file": "../../../../etc/passwd", "format": "raw"}]"#])
  func aManifestOfAnotherKindIsRefused(change: String) async throws {
    try await row("forged manifest", change) { bench in
      let folder = bench.inputs.appending("r")
      try FileManager.default.makeFolder(folder)
      let seed = TestSystem.repository("Tests/Fuzz/Seeds/manifest/demo.json")
      var object = try #require(
        try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: seed))) as? [String: Any]
      )
      let part = try #require(
        try JSONSerialization.jsonObject(with: Data("{\(change)}".utf8)) as? [String: Any])
      object.merge(part) { $1 }
      try JSONSerialization.data(withJSONObject: object).write(
        to: URL(fileURLWithPath: folder.appending("manifest.json").string))
      bench.expect(try await bench.run(["verify", folder.string]), status: 2)
    }
  }

  @Test func copiesAreNeverLessPrivateThanTheirSource() async throws {
    try await row("private image", "efivars check of an image in a folder of mode 0700") { bench in
      let folder = bench.inputs.appending("private")
      try FileManager.default.makeFolder(folder)
      chmod(folder.string, 0o700)
      let image = folder.appending("nixos.qcow2").string
      let script =
        "truncate -s 300M \"$1.raw\" && printf 'label: gpt\\n2048,256M,U\\n' | sfdisk -q \"$1.raw\""
        + " && mkfs.vfat -F 32 --offset 2048 \"$1.raw\" 262144 > /dev/null && qemu-img convert -f raw -O qcow2 \"$1.raw\" \"$1\""
      _ = try await SubprocessRunnerText.run("sh", "-c", script, "sh", image)
      let exposed = Exposed()
      try await bench.run(["efivars", "check", "/usr/share/OVMF/OVMF_VARS_4M.fd", "--image", image]) {
        process in
        while kill(process, 0) == 0, !Self.isZombie(process) {
          exposed.look(into: bench.tmp)
          try await Task.sleep(for: .milliseconds(1))
        }
      }
      bench.expect(exposed.files.isEmpty, "readable by others: \(exposed.files)")
    }
  }

  private static func isZombie(_ process: Int32) -> Bool {
    let text = FileManager.default.contents(atPath: "/proc/\(process)/cmdline") ?? Data()
    return text.isEmpty
  }
}

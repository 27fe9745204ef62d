import Basics
import BuildPlan
import Command
import Foundation
import HostProbe
import SystemPackage
import TestSupport
import Testing

@Suite struct FirmwareProbeTests {
  private let machine = "pc-q35-7.2"

  @Test func foldersGoFromThePersonToTheDistribution() {
    let probe = FirmwareProbe(
      environment: ["HOME": "/usr"], qemu: "/nix/store/x-qemu/bin/qemu-system-x86_64")
    #expect(
      probe.folders == [
        "/usr/.config/qemu/firmware", "/etc/qemu/firmware", "/nix/store/x-qemu/share/qemu/firmware",
        "/usr/share/qemu/firmware",
      ])
    let other = FirmwareProbe(environment: ["XDG_CONFIG_HOME": "/c", "HOME": "/h"], qemu: "/usr/bin/qemu")
    #expect(FirmwareProbe(environment: ["HOME": "/homeless-shelter"], qemu: nil).folders.count == 2)
    #expect(other.folders == ["/c/qemu/firmware", "/etc/qemu/firmware", "/usr/share/qemu/firmware"])
  }

  /// A descriptor that cannot be read may be the one that a person expects to count.
  @Test func whatCannotBeReadIsSaidWithItsPathAndReason() async throws {
    try await withScratchDirectory { (folder: FilePath) async throws -> Void in
      let (descriptors, file) = (folder.appending("firmware"), folder.appending("file"))
      try await SubprocessRunner().run("mkdir", "-p", descriptors.appending("10-folder.json").string)
      try write([], to: file)
      let search = FirmwareProbe(folders: [descriptors.string, file.string, "/nowhere"]).search(
        machine: machine)
      #expect(
        search.problems == [
          "could not read \(descriptors)/10-folder.json: Is a directory",
          "could not list \(file): Not a directory",
        ])
    }
  }

  @Test func findsPairsAndSaysWhatIsWrongWithOthers() async throws {
    try await withScratchDirectory { (folder: FilePath) async throws -> Void in
      try write(flash(0x37c000), to: folder.appending("CODE.fd"))
      try write(store(), to: folder.appending("VARS.fd"))
      try write(flash(0x84000), to: folder.appending("BLANK.fd"))
      try write(descriptor("\(folder)/CODE.fd", "\(folder)/BLANK.fd"), to: folder.appending("70-blank.json"))
      try write(descriptor("\(folder)/CODE.fd", "\(folder)/VARS.fd"), to: folder.appending("60-good.json"))
      try write(descriptor("\(folder)/GONE.fd", "\(folder)/VARS.fd"), to: folder.appending("50-gone.json"))
      try write(Array("{".utf8), to: folder.appending("40-broken.json"))
      let search = FirmwareProbe(folders: ["/nowhere", folder.string]).search(machine: machine)
      #expect(search.found.map(\.pair.code) == ["\(folder)/CODE.fd"])
      #expect(search.found.first?.variablesSize == 0x84000)
      // What a build would refuse is not found, so that doctor does not call it good.
      #expect(search.problems.count == 3)
      #expect(search.problems.last?.contains("70-blank.json") == true)
      #expect(search.problems.first?.contains("40-broken.json") == true)
      #expect(search.problems[1].contains("50-gone.json"))
      #expect(search.problems[1].contains("GONE.fd"))
    }
  }

  /// A variable store of this machine's firmware.
  private func store() throws -> [UInt8] {
    Array(try Data(contentsOf: URL(fileURLWithPath: "/usr/share/OVMF/OVMF_VARS_4M.fd")))
  }

  @Test func aTemplateThatIsNoStoreIsRefused() async throws {
    try await withScratchDirectory { (folder: FilePath) async throws -> Void in
      try write(flash(0x37c000), to: folder.appending("CODE.fd"))
      try write(flash(0x84000), to: folder.appending("VARS.fd"))
      let fault = try #require(throws: Fault.self) {
        try FirmwareProbe(folders: []).pair(
          FirmwareWish(code: "\(folder)/CODE.fd", variables: "\(folder)/VARS.fd"), machine: machine)
      }
      #expect(fault.message.contains("_FVH"))
    }
  }

  @Test func aTemplateOfAnotherBuildIsRefused() async throws {
    try await withScratchDirectory { (folder: FilePath) async throws -> Void in
      try write(flash(0x37c000), to: folder.appending("CODE.fd"))
      try write(flash(0x20000), to: folder.appending("VARS.fd"))
      let fault = try #require(throws: Fault.self) {
        try FirmwareProbe(folders: []).pair(
          FirmwareWish(code: "\(folder)/CODE.fd", variables: "\(folder)/VARS.fd"), machine: machine)
      }
      #expect(fault.message.contains("not two parts"))
    }
  }

  @Test func aPairInQcow2IsFoundByItsDescriptorWithTheSizesOfTheFlashImages() async throws {
    try await withScratchDirectory { folder in
      let (code, variables) = try await fedoras(in: folder)
      try write(descriptor(code, variables, format: "qcow2"), to: folder.appending("60-fedora.json"))
      let probe = FirmwareProbe(folders: [folder.string])
      let found = try #require(probe.search(machine: machine).found.first)
      #expect(found.codeSize == 0x37c000 && found.variablesSize == 0x84000)
      #expect(try probe.pair(machine: machine).code == code)
    }
  }

  @Test func aPairInQcow2ThatSomebodyNamesBecomesRawFiles() async throws {
    try await withScratchDirectory { folder in
      let (code, variables) = try await fedoras(in: folder)
      let pair = try FirmwareProbe(folders: []).pair(
        FirmwareWish(code: code, variables: variables), machine: machine)
      let work = folder.appending("$(touch PWNED) \n-o@@;work")
      try FileManager.default.createDirectory(atPath: work.string, withIntermediateDirectories: false)
      let raw = try await pair.raw(in: work.string, SubprocessRunner())
      for (file, original) in [(raw.code, "CODE"), (raw.variablesTemplate, "VARS")] {
        #expect(
          FileManager.default.contentsEqual(atPath: file, andPath: "/usr/share/OVMF/OVMF_\(original)_4M.fd"))
      }
      #expect(try FileManager.default.contentsOfDirectory(atPath: work.string).count == 2)
      let plain = FirmwarePair(
        code: raw.code, variablesTemplate: raw.variablesTemplate, requiresSMM: false, secureBoot: false)
      #expect(try await plain.raw(in: "/nowhere", SubprocessRunner()) == plain)
    }
  }

  @Test func qcow2WithABackingFileIsRefused() async throws {
    try await withScratchDirectory { folder in
      let (code, variables) = try await fedoras(in: folder)
      let overlay = folder.appending("overlay.qcow2").string
      try await SubprocessRunner().run(
        "qemu-img", "create", "-q", "-f", "qcow2", "-b", code, "-F", "qcow2", overlay)
      let fault = try #require(throws: Fault.self) {
        try FirmwareProbe(folders: []).pair(
          FirmwareWish(code: overlay, variables: variables), machine: machine)
      }
      #expect(fault.message.contains(overlay) && fault.message.contains("backing file"))
    }
  }

  @Test func qcow2OfAnotherBuildIsRefusedByTheSizeOfItsFlashImage() async throws {
    try await withScratchDirectory { folder in
      let (code, variables) = try await fedoras(in: folder)
      try await SubprocessRunner().run("qemu-img", "resize", "-q", variables, "+64K")
      let fault = try #require(throws: Fault.self) {
        try FirmwareProbe(folders: []).pair(FirmwareWish(code: code, variables: variables), machine: machine)
      }
      #expect(fault.message.contains("(\(0x84000 + 65536) bytes)") && fault.message.contains("not two parts"))
    }
  }

  /// Debian's firmware in the format in which Fedora ships it.
  private func fedoras(in folder: FilePath) async throws -> (code: String, variables: String) {
    func convert(_ name: String) async throws -> String {
      let file = folder.appending("\(name).qcow2").string
      try await SubprocessRunner().run(
        "qemu-img", "convert", "-f", "raw", "-O", "qcow2", "/usr/share/OVMF/\(name).fd", file)
      return file
    }
    return (try await convert("OVMF_CODE_4M"), try await convert("OVMF_VARS_4M"))
  }

  @Test func aFileThatIsNotThereIsNamed() throws {
    let fault = try #require(throws: Fault.self) {
      try FirmwareProbe(folders: []).pair(
        FirmwareWish(code: "/nowhere/C.fd", variables: "/nowhere/V.fd"), machine: machine)
    }
    #expect(fault.message.contains("/nowhere/C.fd"))
  }

  @Test(.enabled(if: FileManager.default.fileExists(atPath: "/usr/share/OVMF/OVMF_CODE_4M.fd"), "no OVMF"))
  func debiansSecureBootCodeIsKnownByAllItsNames() throws {
    let probe = FirmwareProbe(folders: ["/usr/share/qemu/firmware"])
    let plain = try probe.pair(machine: machine)
    #expect(plain.code == "/usr/share/OVMF/OVMF_CODE_4M.fd")
    #expect(!plain.requiresSMM)
    let snakeoil = try probe.pair(
      FirmwareWish(
        code: "/usr/share/OVMF/OVMF_CODE_4M.snakeoil.fd",
        variables: "/usr/share/OVMF/OVMF_VARS_4M.snakeoil.fd"), machine: machine)
    #expect(snakeoil.requiresSMM && snakeoil.secureBoot)
    let secure = try probe.pair(FirmwareWish(secureBoot: true), machine: machine)
    #expect(secure.code == "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd" && !secure.enrolledKeys)
    let fault = try #require(throws: Fault.self) {
      try probe.pair(FirmwareWish(code: plain.code, secureBoot: true), machine: machine)
    }
    #expect(fault.message.contains("no Secure Boot"))
  }

  private func flash(_ size: Int) -> [UInt8] { [UInt8](repeating: 0xff, count: size) }

  private func write(_ bytes: [UInt8], to path: FilePath) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: path.string))
  }

  private func descriptor(_ code: String, _ variables: String, format: String = "raw") -> [UInt8] {
    Array(
      """
      {"description": "d", "interface-types": ["uefi"], "features": [], "tags": [],
       "mapping": {"device": "flash", "executable": {"filename": "\(code)", "format": "\(format)"},
                   "nvram-template": {"filename": "\(variables)", "format": "\(format)"}},
       "targets": [{"architecture": "x86_64", "machines": ["pc-q35-*"]}]}
      """.utf8)
  }
}

import BuildPlan
import Foundation
import HostProbe
import SystemPackage
import TestSupport
import Testing

@Suite struct FirmwareProbeTests {
  private let machine = "pc-q35-7.2"

  @Test func foldersGoFromThePersonToTheDistribution() {
    let probe = FirmwareProbe(
      environment: ["HOME": "/home/a"], qemu: "/nix/store/x-qemu/bin/qemu-system-x86_64")
    #expect(
      probe.folders == [
        "/home/a/.config/qemu/firmware", "/etc/qemu/firmware", "/nix/store/x-qemu/share/qemu/firmware",
        "/usr/share/qemu/firmware",
      ])
    let other = FirmwareProbe(environment: ["XDG_CONFIG_HOME": "/c", "HOME": "/h"], qemu: "/usr/bin/qemu")
    #expect(other.folders == ["/c/qemu/firmware", "/etc/qemu/firmware", "/usr/share/qemu/firmware"])
  }

  @Test func findsPairsAndSaysWhatIsWrongWithOthers() async throws {
    try await withScratchDirectory { (folder: FilePath) async throws -> Void in
      try write(flash(0x37c000), to: folder.appending("CODE.fd"))
      try write(flash(0x84000), to: folder.appending("VARS.fd"))
      try write(descriptor("\(folder)/CODE.fd", "\(folder)/VARS.fd"), to: folder.appending("60-good.json"))
      try write(descriptor("\(folder)/GONE.fd", "\(folder)/VARS.fd"), to: folder.appending("50-gone.json"))
      try write(Array("{".utf8), to: folder.appending("40-broken.json"))
      let search = FirmwareProbe(folders: ["/nowhere", folder.string]).search(machine: machine)
      #expect(search.found.map(\.pair.code) == ["\(folder)/CODE.fd"])
      #expect(search.found.first?.variablesSize == 0x84000)
      #expect(search.problems.count == 2)
      #expect(search.problems.first?.contains("40-broken.json") == true)
      #expect(search.problems.last?.contains("50-gone.json") == true)
      #expect(search.problems.last?.contains("GONE.fd") == true)
    }
  }

  @Test func aTemplateThatIsNoStoreIsRefused() async throws {
    try await withScratchDirectory { (folder: FilePath) async throws -> Void in
      try write(flash(0x37c000), to: folder.appending("CODE.fd"))
      try write(flash(0x84000), to: folder.appending("VARS.fd"))
      let fault = try #require(throws: HostFault.self) {
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
      let fault = try #require(throws: HostFault.self) {
        try FirmwareProbe(folders: []).pair(
          FirmwareWish(code: "\(folder)/CODE.fd", variables: "\(folder)/VARS.fd"), machine: machine)
      }
      #expect(fault.message.contains("not two parts"))
    }
  }

  @Test func aFileThatIsNotThereIsNamed() throws {
    let fault = try #require(throws: HostFault.self) {
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
    let fault = try #require(throws: HostFault.self) {
      try probe.pair(FirmwareWish(code: plain.code, secureBoot: true), machine: machine)
    }
    #expect(fault.message.contains("no Secure Boot"))
  }

  private func flash(_ size: Int) -> [UInt8] { [UInt8](repeating: 0xff, count: size) }

  private func write(_ bytes: [UInt8], to path: FilePath) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: path.string))
  }

  private func descriptor(_ code: String, _ variables: String) -> [UInt8] {
    Array(
      """
      {"description": "d", "interface-types": ["uefi"], "features": [], "tags": [],
       "mapping": {"device": "flash", "executable": {"filename": "\(code)", "format": "raw"},
                   "nvram-template": {"filename": "\(variables)", "format": "raw"}},
       "targets": [{"architecture": "x86_64", "machines": ["pc-q35-*"]}]}
      """.utf8)
  }
}

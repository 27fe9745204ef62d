import Foundation
import TestSupport
import Testing

@testable import Basics
@testable import BuildPlan

@Suite struct ArchitectureTests {
  private static let other = Architecture(
    name: "aarch64", machineType: "virt", anyMachineVersion: "virt-0.0", emulatorPackage: "qemu-system-arm",
    console: "ttyAMA0", secondSerialPort: "ttyAMA1", fallbackLoader: #"\EFI\BOOT\BOOTAA64.EFI"#,
    smallKernelPackage: "linux-image-cloud-arm64", kernelPackage: "linux-image-arm64",
    firmwareCrash: "Synchronous Exception", slowFeatures: [])

  @Test func anotherArchitectureIsAnotherValue() throws {
    let values = DomainValues(
      name: "n", uuid: "u", architecture: Self.other, accelerator: .tcg, memory: 1, cpus: 1, firmware: nil,
      variables: "", consoleLog: "/c", hostCPUs: "")
    let rest = [
      "disk": "/d", "kernel": "", "initrd": "", "kernelCommandLine": "", "sectorSize": "",
      "consoleSocket": "/s",
    ]
    let xml = try values.render(.verify(), with: rest)
    #expect(xml.contains("<type arch='aarch64' machine='virt'>hvm</type>"))
    #expect(!xml.contains("<feature policy"))
    #expect(Self.other.emulator == "qemu-system-aarch64")
  }

  /// What differs between architectures stands in one file; comments may give it as an example.
  @Test func noOtherFileKnowsAnArchitecture() throws {
    let words = ["x86_64", "x86-64", "ttyS", "bootx64", "q35", "amd64", "x64 exception"]
    let sources = TestSystem.repository("Sources")
    for case let name as String in FileManager.default.enumerator(atPath: sources) ?? .init()
    where name.hasSuffix(".swift") && name != "Basics/Architecture.swift" {
      let text = try String(contentsOfFile: "\(sources)/\(name)", encoding: .utf8)
      for line in text.split(separator: "\n") {
        let code = line.drop { $0 == " " }
        guard !code.hasPrefix("//") else { continue }
        let found = words.filter { code.lowercased().contains($0.lowercased()) }
        #expect(found.isEmpty, "\(name): \(code)")
      }
    }
    for template in ["installer", "verify", "run"] {
      let text = try String(
        contentsOfFile: TestSystem.repository("vm-templates/\(template).xml"), encoding: .utf8)
      #expect(!text.contains("x86_64") && !text.contains("q35"))
    }
  }
}

import Basics
import Foundation
import ImageModel
import SystemPackage

@testable import Appliance
@testable import BuildPlan
@testable import HostProbe
@testable import ImageBuilder
@testable import NixStore
@testable import Sfdisk

extension Inputs {
  /// A spec is read, and judged as the planner judges it before it knows anything of the host.
  static func spec(_ bytes: [UInt8]) {
    do {
      let spec = try ImageSpec(json: bytes)
      _ = try ResolvedSpec(spec)
    } catch {
      precondition(!error.description.isEmpty)
    }
  }

  /// A manifest that is read is written and read again the same.
  static func manifest(_ bytes: [UInt8]) {
    let manifest: Manifest
    do {
      manifest = try JSONDecoder().decode(Manifest.self, from: Data(bytes))
    } catch {
      _ = "\(error)"
      return
    }
    guard let written = try? manifest.json(),
      let again = try? JSONDecoder().decode(Manifest.self, from: Data(written))
    else { preconditionFailure("a manifest that was read cannot be written and read again") }
    precondition(again == manifest, "the manifest changed by being written")
  }

  /// A registration that is read is written and read again the same.
  static func closureInfo(_ bytes: [UInt8]) {
    let paths: [StorePathInfo]
    do {
      paths = try Registration.parse(bytes, in: "/closure-info")
    } catch {
      _ = "\(error)"
      return
    }
    let closure = Closure(roots: [], paths: paths)
    guard let again = try? Registration.parse(closure.registrationText, in: "/closure-info") else {
      preconditionFailure("a registration that was read cannot be written and read again")
    }
    precondition(again == closure.paths, "the registration changed by being written")
  }

  static func derivation(_ bytes: [UInt8]) {
    _ = Derivation.outputs(of: bytes)
  }

  static func firmwareDescriptor(_ bytes: [UInt8]) {
    do {
      let descriptor = try FirmwareDescriptor(file: "/firmware/50-edk2.json", json: bytes)
      _ = descriptor.pair(architecture: "x86_64", machine: "pc-q35-7.2")
    } catch {
      precondition(!error.description.isEmpty)
    }
  }

  /// What sfdisk prints of a disk that a guest wrote is compared with a layout.
  static func sfdisk(_ bytes: [UInt8]) {
    guard let table = try? SfdiskTable(json: text(bytes)) else { return }
    for layout in layouts { _ = table.differences(from: layout) }
  }

  static func executable(_ bytes: [UInt8]) {
    _ = try? ELFExecutable(bytes)
  }

  static func modules(_ bytes: [UInt8]) {
    let halves = text(bytes).split(separator: "\n\n", maxSplits: 1).map(String.init)
    _ = ModuleIndex(dependencies: halves.first ?? "", builtin: halves.dropFirst().first ?? "")
  }

  private static let layouts = [TableFormat.gpt, .mbr].map { table in
    DiskLayout(
      table: table, sectorSize: 512, sectors: 1 << 21, guid: GUID(high: 1, low: 2),
      partitions: [
        Partition(
          number: 1, name: "ESP", type: .efiSystem, guid: GUID(high: 3, low: 4), start: 2048, sectors: 4096,
          filesystem: nil),
        Partition(
          number: 2, name: "primary", type: table == .gpt ? .linux : .linuxCode, guid: nil, start: 8192,
          sectors: 16384, filesystem: nil),
      ])
  }
}

internal import Basics
package import BuildPlan
package import Command
internal import Foundation
internal import ImageModel
internal import SystemPackage

/// Gathers what this machine has and can do.
package struct HostProbe: Sendable {
  private let runner: any CommandRunner
  private let environment: [String: String]

  /// - Parameters:
  ///   - runner: asks programs for their versions, and runs the probe's guest.
  ///   - environment: `PATH`, and what names the user's folders, see `XDGFolders`.
  package init(
    runner: any CommandRunner = SubprocessRunner(),
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) {
    self.runner = runner
    self.environment = environment
  }

  /// What to run guests with.
  ///
  /// - Parameters:
  ///   - wanted: what somebody asks for; nil for whatever works.
  ///   - fresh: whether to measure again although this boot's verdict is known.
  ///   - startsGuest: whether a guest may be started to find out.
  /// - Throws: `Fault` when KVM is asked for and is not usable; `CancellationError`.
  package func accelerator(
    wanted: Accelerator.Kind? = nil, fresh: Bool = false, startsGuest: Bool = true
  ) async throws -> Accelerator {
    let cache = cacheFolder?.appending("accelerator.json")
    return try await AcceleratorProbe(runner: runner, cache: cache)
      .accelerator(wanted: wanted, fresh: fresh, startsGuest: startsGuest)
  }

  /// The firmware to use.
  ///
  /// - Throws: `Fault` when there is no such pair, or its files do not fit each other.
  package func firmware(_ wish: FirmwareWish = FirmwareWish()) async throws -> FirmwarePair {
    let probe = FirmwareProbe(environment: environment, qemu: await qemu.path)
    return try probe.pair(wish, machine: await machine() ?? Self.guest.anyMachineVersion)
  }

  /// Variable store templates with enrolled Secure Boot keys that the descriptors name, in their order.
  package func enrolledTemplates() async -> [String] {
    let probe = FirmwareProbe(environment: environment, qemu: await qemu.path)
    let found = probe.search(machine: await machine() ?? Self.guest.anyMachineVersion).found
    return found.filter(\.pair.enrolledKeys).map(\.pair.variablesTemplate)
  }

  /// Everything at once.
  ///
  /// - Parameters:
  ///   - workFolder: where free space is measured; the nearest folder above it, if it does not exist yet.
  ///   - libvirtVersion: the version of the driver that runs QEMU, which only libvirt knows.
  ///   - kernel: what the appliance's own search finds.
  /// - Throws: `CancellationError`; `Fault` when the probe has no place for its files.
  package func facts(workFolder: String, libvirtVersion: String?, kernel: Tool) async throws -> HostFacts {
    let finder = ToolFinder(runner: runner, path: path)
    var tools: [Tool] = []
    for tool in ExternalTool.all { tools.append(await finder.find(tool)) }
    let qemu = tools.first { $0.name == Self.guest.emulator }?.path
    let machine = qemu == nil ? nil : await machine()
    return HostFacts(
      accelerator: try await accelerator(fresh: true), machine: machine,
      firmware: FirmwareProbe(environment: environment, qemu: qemu).search(
        machine: machine ?? Self.guest.anyMachineVersion),
      tools: tools, libvirtVersion: libvirtVersion, kernel: kernel, workFolder: workFolder,
      freeSpace: Self.freeSpace(workFolder), cpus: ProcessInfo.processInfo.activeProcessorCount,
      memory: ByteSize(bytes: ProcessInfo.processInfo.physicalMemory))
  }

  /// Where verdicts are kept from one run to the next; nil without a home.
  private var cacheFolder: FilePath? {
    XDGFolders(environment: environment).cache.map { FilePath($0).appending("slipway") }
  }

  private var path: String { environment["PATH"] ?? "/usr/bin:/bin" }

  private var qemu: Tool {
    get async {
      await ToolFinder(runner: runner, path: path)
        .find(ExternalTool(Self.guest.emulator, on: .host, debianPackage: Self.guest.emulatorPackage))
    }
  }

  private static let guest = Architecture.current

  /// The versioned machine type that the guest's stands for; descriptors know no aliases.
  private func machine() async -> String? {
    guard let list = try? await runner.run(Self.guest.emulator, "-machine", "help") else { return nil }
    return Self.machine(behind: Self.guest.machineType, in: list)
  }

  /// Reads `q35  Standard PC (Q35 + ICH9, 2009) (alias of pc-q35-7.2)`.
  static func machine(behind alias: String, in list: String) -> String? {
    let line = list.split(separator: "\n").first { $0.split(separator: " ").first == alias[...] }
    guard let line, let mark = line.firstRange(of: "(alias of ") else { return nil }
    return String(line[mark.upperBound...].prefix { $0 != ")" })
  }

  private static func freeSpace(_ path: String) -> ByteSize? {
    var folder = FilePath(path).absolute
    while true {
      if let space = FilesystemSpace(of: folder) { return ByteSize(bytes: space.available) }
      guard folder.removeLastComponent() else { return nil }
    }
  }
}

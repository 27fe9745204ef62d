internal import Foundation
package import SystemPackage

/// What an appliance is made of, all of it on this host.
package struct ApplianceInputs: Hashable, Sendable {
  /// The kernel and its modules.
  package var kernel: KernelFiles
  /// The agent, linked statically.
  package var agent: FilePath
  /// Drivers that are loaded on demand, beside those that every appliance has.
  package var drivers: [String]
  /// The programs beside the agent.
  package var tools: [ApplianceTool]
  /// Where the programs are looked up, as `PATH` has it.
  package var searchPath: [FilePath]

  package init(
    kernel: KernelFiles, agent: FilePath, drivers: [String] = [],
    tools: [ApplianceTool] = ApplianceTool.all,
    searchPath: [FilePath] = Self.searchPath(from: ProcessInfo.processInfo.environment["PATH"])
  ) {
    self.kernel = kernel
    self.agent = agent
    // Those that every appliance has make no other one.
    self.drivers = drivers.filter { !ApplianceModules.required.contains($0) }
    self.tools = tools
    self.searchPath = searchPath
  }

  /// The folders of a `PATH` variable, then those that ordinary users on Debian lack in theirs.
  package static func searchPath(from variable: String?) -> [FilePath] {
    let folders = (variable ?? "").split(separator: ":").filter { $0.hasPrefix("/") }.map {
      FilePath(String($0))
    }
    return folders + ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"]
  }
}

/// A kernel and the folder of its modules.
package struct KernelFiles: Hashable, Sendable {
  /// The kernel, as QEMU's `-kernel` takes it.
  package var image: FilePath
  /// Its modules: `/lib/modules/VERSION`, or any folder of that shape whose name is the version.
  package var modules: FilePath

  package init(image: FilePath, modules: FilePath) {
    self.image = image
    self.modules = modules
  }

  /// The newest of Debian's cloud kernels below a root folder, or, when it lacks one of the drivers, the newest of
  /// Debian's other kernels that has them all.
  ///
  /// The cloud kernel is half the size of the general one, and has the virtio drivers.
  ///
  /// - Throws: `ApplianceError.kernelMissing`; `ApplianceError.modulesMissing`; `ApplianceError.driverMissing`.
  package static func newestKernel(
    with drivers: [String] = [], under root: FilePath = "/"
  ) throws -> KernelFiles {
    let boot = root.appending("boot")
    let prefix = "vmlinuz-"
    let kernels = exists(boot) ? try names(in: boot) : []
    let versions = kernels.filter { $0.hasPrefix(prefix) && $0.hasSuffix("-amd64") }
      .map { String($0.dropFirst(prefix.count)) }
      .sorted { $0.compare($1, options: .numeric) == .orderedDescending }
    let cloud = versions.filter { $0.hasSuffix("-cloud-amd64") }
    func files(_ version: String) -> KernelFiles {
      KernelFiles(
        image: boot.appending(prefix + version), modules: root.appending("lib/modules").appending(version))
    }
    guard let usual = cloud.first.map(files) else { throw ApplianceError.kernelMissing(boot) }
    guard let lacking = try usual.lacking(drivers) else { return usual }
    for other in versions.filter({ !cloud.contains($0) }).map(files)
    where try exists(other.modules) && other.lacking(drivers) == nil {
      return other
    }
    throw ApplianceError.driverMissing(name: lacking, folder: usual.modules)
  }

  /// The first of the drivers that this kernel does not have.
  ///
  /// - Throws: `ApplianceError.modulesMissing`; `ApplianceError.file`.
  package func lacking(_ drivers: [String]) throws -> String? {
    guard !drivers.isEmpty else { return nil }
    let index = try ModuleIndex(of: modules)
    return drivers.first { !index.has($0) }
  }

  /// The modules folder's place in the guest, relative to the root.
  var guestModules: String { "usr/lib/modules/\(modules.lastComponent?.string ?? "")" }

  /// Checks that the kernel would accept the modules, by the version in its header.
  ///
  /// The header is `Documentation/x86/boot.rst`'s; an image without it is taken as it is.
  ///
  /// - Throws: `ApplianceError.kernelMismatch`.
  func checkVersion(_ kernel: [UInt8]) throws {
    let bytes = kernel[...]
    guard bytes.dropFirst(0x202).starts(with: "HdrS".utf8),
      let pointer = bytes.littleEndian(at: 0x20E, count: 2), pointer != 0
    else { return }
    let words = bytes.dropFirst(pointer + 0x200).prefix { $0 != 0 }.split(separator: UInt8(ascii: " "))
    guard let first = words.first else { return }
    let version = String(decoding: first, as: UTF8.self)
    guard version == modules.lastComponent?.string else {
      throw ApplianceError.kernelMismatch(kernel: image, version: version, modules: modules)
    }
  }
}

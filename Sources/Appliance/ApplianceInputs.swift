internal import Basics
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
    // Those that every appliance has must not change the cache key.
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

  /// The modules folder's place in the guest, relative to the root.
  var guestModules: String { "usr/lib/modules/\(modules.lastComponent?.string ?? "")" }

  /// Checks that the kernel would accept the modules, by the version in its header.
  ///
  /// The header is `Documentation/x86/boot.rst`'s; an image without it is taken as it is.
  ///
  /// - Throws: `Fault`.
  func checkVersion(_ kernel: [UInt8]) throws {
    let bytes = kernel[...]
    guard bytes.dropFirst(0x202).starts(with: "HdrS".utf8),
      let pointer = bytes.littleEndian(at: 0x20E, count: 2), pointer != 0
    else { return }
    let words = bytes.dropFirst(pointer + 0x200).prefix { $0 != 0 }.split(separator: UInt8(ascii: " "))
    guard let first = words.first else { return }
    let version = String(decoding: first, as: UTF8.self)
    guard version == modules.lastComponent?.string else {
      throw Fault.kernelMismatch(kernel: image, version: version, modules: modules)
    }
  }
}

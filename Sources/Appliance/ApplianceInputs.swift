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

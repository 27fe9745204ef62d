internal import Appliance
internal import Basics
internal import BuildPlan
internal import Foundation
internal import ImageModel
internal import SystemPackage

extension ApplianceChoice {
  /// Builds the appliance, or takes it from its cache when it is whole.
  ///
  /// - Returns: the folder that it is in.
  /// - Throws: `Fault` of kind `hostNotAble`.
  public func build(events: @escaping BuildEventHandler) async throws -> String {
    let cache = try Self.userCache()
    let appliance = try await StepRecorder(events).step(.appliance) {
      try await make(in: cache, readingAll: true)
    }
    return appliance.kernel.removingLastComponent().string
  }

  /// The user's folder for appliances.
  ///
  /// - Throws: `Fault` where there is none.
  static func userCache() throws -> FilePath {
    guard let cache = ApplianceBuilder.defaultCache() else {
      throw Fault(
        .hostNotAble, "there is no folder in which the appliance could be kept",
        remedy: "Set HOME to a folder that is there, or XDG_CACHE_HOME")
    }
    return cache
  }

  /// Runs `body` with a folder for appliances: the user's, or one that is gone afterwards where there is none.
  static func withCache<Result>(
    _ cache: FilePath? = ApplianceBuilder.defaultCache(), _ body: (FilePath) async throws -> Result
  ) async throws -> Result {
    guard let cache else {
      // Not the scratch folder itself: that is locked, and a cache locks its folder.
      return try await ScratchFolder.with("appliance") { try await body($0.appending("cache")) }
    }
    return try await body(cache)
  }

  /// - Parameters:
  ///   - filesystems: what the guest makes and mounts.
  ///   - cache: the folder for appliances.
  ///   - readingAll: whether a cached appliance is read in full.
  func make(
    for filesystems: [FilesystemKind] = [], in cache: FilePath, readingAll: Bool = false
  ) async throws -> Appliance {
    let drivers = Set(filesystems.compactMap(\.driver)).sorted()
    let inputs = ApplianceInputs(
      kernel: try kernelFiles(with: drivers), agent: try agentExecutable(), drivers: drivers, tools: allTools)
    return try await ApplianceBuilder(inputs: inputs, cache: cache).build(readingAll: readingAll)
  }

  private var allTools: [ApplianceTool] {
    // A user's tool goes before one of ours with its name.
    let added = tools.map(ApplianceTool.init(added:))
    return added + ApplianceTool.all.filter { usual in !added.contains { $0.name == usual.name } }
  }

  /// Checks that the appliance can make and mount these, before anything is built.
  ///
  /// - Throws: `SpecError` when it has no tool for one; `Fault` when no kernel has the driver.
  func check(_ filesystems: [(kind: FilesystemKind, key: String)]) throws {
    for (kind, key) in filesystems where !allTools.contains(where: { $0.answers(to: kind.tool) }) {
      throw SpecError(
        key, "the appliance has no \(kind.tool), which makes \(kind.rawValue)",
        remedy: "Add it with --appliance-tool \(kind.tool), or choose another filesystem")
    }
    _ = try kernelFiles(with: filesystems.compactMap(\.kind.driver))
  }

  /// The kernel that installs: the user's, or one of this machine's.
  ///
  /// - Parameter drivers: of filesystems, beside those that every installation needs.
  /// - Throws: `Fault` when it cannot be used, also for half a choice.
  func kernelFiles(with drivers: [String]) throws -> KernelFiles {
    switch (kernel, modules) {
    case (nil, nil): return try KernelFiles.newestKernel(with: drivers)
    case (let kernel?, let modules?):
      let files = KernelFiles(image: FilePath(kernel), modules: FilePath(modules))
      try files.check(drivers)
      return files
    default:
      throw Fault(
        .badInput, "a kernel and its modules belong together, and one of them is missing",
        remedy: "Give both --kernel and --modules, or neither")
    }
  }

  /// The agent is installed beside slipway: `bin/slipway`, `libexec/slipway/slipway-agent`.
  private func agentExecutable() throws -> FilePath {
    if let agent { return FilePath(agent) }
    let program = FilePath(URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().path)
    let prefix = program.removingLastComponent().removingLastComponent()
    let installed = prefix.appending("libexec/slipway/slipway-agent")
    guard HostFiles.exists(installed) else {
      throw Fault(
        .hostNotAble, "the agent is not at \(installed)",
        remedy: "Run 'make build' or 'make install', and use the slipway that they made")
    }
    return installed
  }
}

internal import Appliance
internal import Foundation
internal import SystemPackage

extension ApplianceChoice {
  /// Builds the appliance, or takes it from its cache.
  ///
  /// - Returns: the folder that it is in.
  /// - Throws: `BuildError` of kind `hostNotAble`.
  public func build(events: @escaping BuildEventHandler) async throws -> String {
    let appliance = try await StepRecorder(events).step("appliance") { try await make() }
    return appliance.kernel.removingLastComponent().string
  }

  func make() async throws -> Appliance {
    do {
      let files = try kernelFiles()
      let inputs = ApplianceInputs(kernel: files, agent: try agentExecutable())
      return try await ApplianceBuilder(inputs: inputs, cache: ApplianceBuilder.defaultCache()).build()
    } catch let error as ApplianceError {
      throw BuildError(.hostNotAble, "the appliance cannot be built: \(error)")
    }
  }

  private func kernelFiles() throws -> KernelFiles {
    switch (kernel, modules) {
    case (nil, nil): return try KernelFiles.newestCloudKernel()
    case (let kernel?, let modules?): return KernelFiles(image: FilePath(kernel), modules: FilePath(modules))
    default:
      throw BuildError(
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
    guard FileSystem.exists(installed) else {
      throw BuildError(
        .hostNotAble, "the agent is not at \(installed)",
        remedy: "Run 'make build' or 'make install', and use the slipway that they made")
    }
    return installed
  }
}

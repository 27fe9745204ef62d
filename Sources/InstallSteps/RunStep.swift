package import AgentProtocol
internal import Basics
internal import Command
internal import ImageModel

extension InstallStep {
  /// Does the step.
  ///
  /// - Throws: `StepFailure`.
  package func run(in context: StepContext) async throws(StepFailure) {
    do {
      switch self {
      case .partitionDisk(let disk, let layout): try await context.partitionDisk(disk, layout)
      case .adoptDisk(let disk, let layout): try await context.adoptDisk(disk, layout)
      case .makeFilesystem(let device, let filesystem, let options):
        try await context.makeFilesystem(on: device, filesystem, options: options)
      case .mountFilesystem(let device, let filesystem):
        try await context.mountFilesystem(on: device, filesystem)
      case .copyTree(let source, let type, let workers, _):
        try await context.copyTree(from: source, type: type, workers: workers)
      case .addStorePaths(let source, let type, let workers, _):
        try await context.addStorePaths(from: source, type: type, workers: workers)
      case .setSystemProfile(let system, let profile, let generation, let time):
        try await context.setSystemProfile(profile, to: system, generation: generation, time: time)
      case .activate(let system): try await context.activate(in: context.preparedChroot(of: system))
      case .setOwners(let system, let paths):
        try await context.setOwners(paths, in: context.preparedChroot(of: system))
      case .installBootLoader(
        let system, let installsLoader, let touchEFIVariables, let disk, let diskNames, _):
        try await onThread {
          for name in diskNames { try context.devices.link(disk, as: name) }
        }
        let chroot = try await context.preparedChroot(of: system)
        try await onThread { try chroot.exposeEFIVariables(touchEFIVariables) }
        try await context.installBootLoader(in: chroot, installsLoader: installsLoader)
      case .runScript(let system, let script):
        try await context.runScript(script, in: context.preparedChroot(of: system))
      case .writeBack: try await context.writeBackAll()
      case .unmount(let disk, let removed): try await context.unmount(disk: disk, removed: removed)
      case .finish(let disk, let kept): try await context.finish(disk: disk, kept: kept)
      case .handOver(let disk, let trees, let regions, let kept):
        try await context.handOver(to: disk, trees: trees, regions: regions, kept: kept)
      }
    } catch {
      throw await context.explained(StepFailure(of: error), need: need)
    }
  }
}

extension InstallStep {
  /// What the step is known to write, where the plan tells.
  private var need: StorageNeed? {
    switch self {
    case .installBootLoader(_, _, _, _, _, let bootFiles) where bootFiles.bytes > 0:
      StorageNeed(path: "/boot", size: bootFiles, what: "the kernels and initrds need")
    case .copyTree(_, _, _, let content) where content.bytes > 0,
      .addStorePaths(_, _, _, let content) where content.bytes > 0:
      StorageNeed(path: "/", size: content, what: "the tree needs")
    default: nil
    }
  }
}

extension StepContext {
  /// The target's root, prepared for the programs of a system.
  fileprivate func preparedChroot(of system: String) async throws -> Chroot {
    let chroot = Chroot(root: root, system: system)
    try await onThread { try chroot.prepare() }
    return chroot
  }

  /// A failure for want of space with what is full, and what to do about that: the one place where it is told.
  ///
  /// - Parameter need: what the step is known to write.
  func explained(_ failure: StepFailure, need: StorageNeed? = nil) async -> StepFailure {
    let lines = [failure.message] + failure.output
    guard lines.contains(where: saysNoSpace) else { return failure }
    guard let figures = try? await onThread({ [storage, root] in storage(root) }) else { return failure }
    let verdict = figures.verdict(on: lines, need: need)
    var explained = failure
    explained.message += "; \(verdict.cause)"
    explained.remedy = failure.remedy ?? verdict.remedy
    return explained
  }
}

extension StepFailure {
  /// The failure as the host shows it.
  init(of error: any Error) {
    switch error {
    case let failure as StepFailure: self = failure
    case let fault as Fault: self.init(message: fault.message, remedy: fault.remedy)
    case let failure as CommandFailure: self.init(message: failure.summary, from: failure)
    default: self.init(message: String(describing: error))
    }
  }

  /// A failed command with a message of the step's own.
  init(message: String, from failure: CommandFailure) {
    self.init(message: message, command: failure.command.description, output: failure.tail)
  }
}

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
      case .partitionDisk(let step): try await step.run(in: context)
      case .makeFilesystem(let step): try await step.run(in: context)
      case .mountFilesystem(let step): try await step.run(in: context)
      case .copyTree(let step): try await step.run(in: context)
      case .setSystemProfile(let step): try await step.run(in: context)
      case .activate(let step): try await step.run(in: context)
      case .setOwners(let step): try await step.run(in: context)
      case .installBootLoader(let step): try await step.run(in: context)
      case .runScript(let step): try await step.run(in: context)
      case .finish(let step): try await step.run(in: context)
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
    case .installBootLoader(let step) where step.bootFiles.bytes > 0:
      StorageNeed(path: "/boot", size: step.bootFiles, what: "the kernels and initrds need")
    case .copyTree(let step) where step.content.bytes > 0:
      StorageNeed(path: "/", size: step.content, what: "the tree needs")
    default: nil
    }
  }
}

extension StepContext {
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

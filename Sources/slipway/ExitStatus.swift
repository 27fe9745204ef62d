internal import ArgumentParser
internal import BuildPlan
internal import Foundation
internal import ImageBuilder

/// The documented exit codes.
enum ExitStatus: Int32 {
  case done = 0
  case failed = 1
  case badInput = 2
  case hostNotAble = 3
  case interrupted = 130

  /// Says on standard error what went wrong, and ends the process with the code for it.
  static func end(with error: any Error) -> Never {
    // A result that the exit code alone says, such as that two stores differ.
    if let code = error as? ExitCode { exit(code.rawValue) }
    let status = status(of: error)
    if let status, status != .done {
      FileHandle.standardError.write(Data("slipway: \(describe(error))\n".utf8))
      exit(status.rawValue)
    }
    // Usage errors and --help, in the argument parser's own words.
    guard Slipway.exitCode(for: error).isSuccess else {
      FileHandle.standardError.write(Data((Slipway.fullMessage(for: error) + "\n").utf8))
      exit(ExitStatus.badInput.rawValue)
    }
    Slipway.exit(withError: error)
  }

  private static func status(of error: any Error) -> ExitStatus? {
    switch error {
    case is CancellationError: .interrupted
    case is SpecError, is DomainTemplateError: .badInput
    case let error as BuildError:
      switch error.kind {
      case .badInput: .badInput
      case .hostNotAble: .hostNotAble
      case .failed: .failed
      }
    case is CleanExit, is ValidationError: nil
    default: Slipway.exitCode(for: error) == .failure ? .failed : nil
    }
  }

  private static func describe(_ error: any Error) -> String {
    error is CancellationError ? "interrupted; nothing was left behind" : "\(error)"
  }
}

internal import ArgumentParser
internal import Basics
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
      show(lines(of: error))
      exit(status.rawValue)
    }
    // Usage errors, --help, --version and completion scripts, in the argument parser's own words.
    let message = Slipway.fullMessage(for: error)
    guard Slipway.exitCode(for: error).isSuccess else {
      for line in message.split(separator: "\n", omittingEmptySubsequences: false) {
        ProgressOutput.standardError.write(line: String(line))
      }
      exit(ExitStatus.badInput.rawValue)
    }
    do throws(OutputFailure) {
      try DataOutput.standard.write(bytes: Array((message + "\n").utf8))
    } catch {
      show([error.description])
      exit(ExitStatus.failed.rawValue)
    }
    exit(ExitStatus.done.rawValue)
  }

  private static func show(_ lines: [String]) {
    for (index, line) in lines.enumerated() {
      ProgressOutput.standardError.write(line: index == 0 ? "slipway: \(line)" : line)
    }
  }

  /// - Returns: nil for what the argument parser says in its own words.
  static func status(of error: any Error) -> ExitStatus? {
    switch error {
    case is CancellationError: .interrupted
    case is SpecError: .badInput
    case let error as Fault:
      switch error.kind {
      case .badInput: .badInput
      case .hostNotAble: .hostNotAble
      case .failed: .failed
      }
    case is CleanExit, is ValidationError: nil
    default: Slipway.exitCode(for: error) == .failure ? .failed : nil
    }
  }

  /// What is printed of an error, the cause first. A line break within one of them is text from outside.
  static func lines(of error: any Error) -> [String] {
    switch error {
    case is CancellationError: ["interrupted; nothing was left behind"]
    case let error as Fault: error.lines
    default: ["\(error)"]
    }
  }
}

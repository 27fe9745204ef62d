internal import Foundation
internal import Subprocess
package import SystemPackage

/// The built command line, as a user runs it.
package enum SlipwayCommand {
  /// How a run ended.
  package struct Result: Sendable {
    package var status: Int32
    package var output: String
    package var errors: String

    /// The first line of what went wrong.
    package var cause: String {
      errors.split(separator: "\n").first { $0.hasPrefix("slipway: ") }.map(String.init) ?? ""
    }
  }

  /// The executable; the Makefile says where it is.
  package static var executable: FilePath {
    FilePath(ProcessInfo.processInfo.environment["SLIPWAY"] ?? ".build/stage/bin/slipway")
  }

  /// The folder that slipway is installed in, with its agent.
  package static var prefix: FilePath {
    FilePath(FileManager.default.currentDirectoryPath).pushing(executable)
      .removingLastComponent().removingLastComponent()
  }

  /// Runs slipway to its end.
  ///
  /// - Parameters:
  ///   - arguments: the arguments.
  ///   - wrapper: a command that runs it, such as `setpriv` and its options.
  ///   - environment: variables on top of this process's.
  ///   - meanwhile: is given the process id once the command runs.
  package static func run(
    _ arguments: [String], wrapper: [String] = [], environment: [String: String] = [:],
    meanwhile: @escaping @Sendable (Int32) async throws -> Void = { _ in }
  ) async throws -> Result {
    let words = wrapper + [executable.string] + arguments
    let variables = environment.reduce(into: [Environment.Key: String?]()) {
      $0[Environment.Key(stringLiteral: $1.key)] = $1.value
    }
    let output = LineCollector()
    let errors = LineCollector()
    let ended = try await Subprocess.run(
      words[0].contains("/") ? .path(FilePath(words[0])) : .name(words[0]),
      arguments: Arguments(Array(words.dropFirst())),
      environment: .inherit.updating(variables), input: .none, output: .sequence, error: .sequence
    ) { execution in
      let outputLines = execution.standardOutput.strings()
      let errorLines = execution.standardError.strings()
      async let side: Void = meanwhile(execution.processIdentifier.value)
      async let collected: Void = errors.collect(errorLines)
      try await output.collect(outputLines)
      try await collected
      try await side
    }
    let status: Int32 =
      switch ended.terminationStatus {
      case .exited(let code): code
      case .signaled(let signal): 128 + signal
      }
    return Result(status: status, output: await output.text, errors: await errors.text)
  }
}

/// Lines as they come.
private actor LineCollector {
  private var lines: [String] = []

  var text: String { lines.joined(separator: "\n") }

  func collect(_ sequence: SubprocessOutputSequence.StringSequence<UTF8>) async throws {
    for try await line in sequence { lines.append(line) }
  }
}

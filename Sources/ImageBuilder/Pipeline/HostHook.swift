internal import Basics
internal import Command
internal import SystemPackage

/// A shell script of the spec's author that this machine runs during a build.
struct HostHook {
  /// The spec's key, which is the step's name too.
  let name: String
  /// The script, for bash.
  let script: String
  let runner: any CommandRunner
  let recorder: StepRecorder

  /// Runs the script in the folder that is being made. It ends at the first command that fails, has nothing to read
  /// from standard input, and is killed with all that it has started when the build is interrupted.
  ///
  /// - Parameters:
  ///   - folder: the output folder while it is made; `$out`, and where the script starts.
  ///   - environment: more variables.
  /// - Throws: `BuildError` with the last lines of its output.
  func run(in folder: FilePath, environment: [String: String] = [:]) async throws {
    try await recorder.step(name) {
      try await ScratchFolder.with("hook", mode: 0o700) { scratch in
        let file = scratch.appending(name)
        // On the first line, so that bash counts lines as the author does.
        try FileSystem.write(Array("cd -- \"$out\"; \(script)\n".utf8), to: file)
        let command = Command(
          "bash", ["-e", file.string], environment: environment.merging(["out": folder.string]) { $1 })
        do {
          try await runner.run(command) { recorder.log(name, $0) }
        } catch let failure as CommandFailure {
          // The script is the failed command, and it may write anywhere.
          let full = FullFilesystem.isFull(folder) ? FullFilesystem(of: folder) : nil
          throw BuildError(
            .failed, "\(name) failed: \(full?.description ?? failure.summary)", remedy: full?.remedy,
            details: failure.evidence)
        }
      }
    }
  }
}

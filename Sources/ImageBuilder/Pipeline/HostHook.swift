internal import Basics
internal import Command
internal import Foundation
internal import SystemPackage

/// A shell script of the spec's author that this machine runs during a build.
struct HostHook {
  /// The spec's key, which is the step's name too.
  let name: String
  /// The script, for bash.
  let script: String
  let runner: any CommandRunner
  let recorder: StepRecorder

  /// Runs the script in the folder that is being made, by the rules of a Nix builder's bash: it ends at the first
  /// command that fails, in a pipeline and in `$(…)` as well. It has nothing to read from standard input, and is killed
  /// with all that it has started when the build is interrupted.
  ///
  /// - Parameters:
  ///   - folder: the output folder while it is made; `$out`, and where the script starts.
  ///   - environment: more variables.
  /// - Throws: `Fault` with the last lines of its output.
  func run(in folder: FilePath, environment: [String: String] = [:]) async throws {
    let step = BuildStep.hook(name)
    try await recorder.step(step) {
      try await ScratchFolder.with("hook", mode: 0o700) { scratch in
        let file = scratch.appending(name)
        try HostFiles.write(Array(Self.prelude.utf8), to: scratch.appending("prelude"))
        // On the first line, so that bash counts lines as the author does.
        let start = #". "${0%/*}/prelude"; cd -- "$out"; "#
        try HostFiles.write(Array("\(start)\(script)\n".utf8), to: file)
        let command = Command(
          "bash", ["-e", "-o", "pipefail", file.string],
          environment: environment.merging(["out": folder.string]) { $1 }, output: .shown)
        do {
          try await runner.run(command) { recorder.log(step, $0) }
          try checkNames(in: scratch)
        } catch let failure as CommandFailure {
          try checkNames(in: scratch)
          // The script is the failed command, and it may write anywhere.
          let full = FullFilesystem.isFull(folder) ? FullFilesystem(of: folder) : nil
          throw Fault(
            .failed, "\(name) failed: \(full?.description ?? failure.summary)", remedy: full?.remedy,
            evidence: failure.evidence)
        }
      }
    }
  }

  /// Throws when the script has called a name that means nothing where its failure would be lost, as in
  /// `echo $(name)`.
  private func checkNames(in scratch: FilePath) throws {
    let missing = scratch.appending("missing")
    guard HostFiles.exists(missing) else { return }
    let name = String(decoding: try HostFiles.read(missing).prefix(200), as: UTF8.self)
    throw Fault(
      .failed, "\(self.name) failed: it calls '\(name)', which is neither a command nor a function",
      remedy: "Define it in the script, or have the program that it is in PATH")
  }

  /// What scripts that are written for make-disk-image's builder call: its shell functions, with their meaning.
  ///
  /// A command that is not found ends a script by `-e`, but not in `$(…)` as a word of another command, so that
  /// `mkfs -E offset=$(misspelt 2)` would run: the handler ends the script.
  private static let prelude = """
    shopt -s inherit_errexit
    mebibyte=1048576
    sectorsToBytes() { echo "$(( $1 * 512 ))"; }
    sectorsToKilobytes() { echo "$(( $1 * 512 / 1024 ))"; }
    sum_lines() { local sum=0 line; while read -r line; do sum=$(( sum + line )); done; echo "$sum"; }
    compute_fudge() { echo "$(( $1 * 52 / 1000 ))"; }
    round_to_nearest() { echo "$(( ($1 / $2 + 1) * $2 ))"; }
    slipway_hook=${0%/*}
    command_not_found_handle() {
      printf '%s: line %s: %s: command not found\\n' "${0##*/}" "${BASH_LINENO[0]}" "$1" >&2
      (( BASH_SUBSHELL )) || return 127
      printf %s "$1" > "$slipway_hook/missing"
      kill -s TERM "$$"
      return 127
    }

    """
}

internal import Basics
package import Command
internal import SystemPackage

/// Finds programs, and asks them for their versions.
package struct ToolFinder: Sendable {
  private let runner: any CommandRunner
  private let folders: [String]

  /// - Parameters:
  ///   - runner: asks for versions.
  ///   - path: `PATH`. `/sbin` and `/usr/sbin` are searched as well: ordinary users do not have them there.
  package init(runner: any CommandRunner, path: String) {
    self.runner = runner
    folders = path.split(separator: ":").map(String.init) + ["/sbin", "/usr/sbin"]
  }

  /// Looks for one program.
  package func find(_ requirement: ExternalTool) async -> Tool {
    var tool = Tool(name: requirement.name)
    let paths = folders.map { "\($0)/\(requirement.name)" }.filter(isProgram)
    guard let path = paths.first else { return tool }
    if requirement.mustBeStatic, !isStatic(path) {
      tool.problem = "\(path) needs shared libraries"
      return tool
    }
    tool.path = path
    if let argument = requirement.versionArgument {
      tool.version = (try? await runner.run(path, argument)).flatMap(Self.version)
    }
    return tool
  }

  private func isProgram(_ path: String) -> Bool {
    FileStatus.isProgram(FilePath(path))
  }

  private func isStatic(_ path: String) -> Bool {
    (try? ELFExecutable(WholeFile.read(FilePath(path))))?.isStatic ?? false
  }

  /// The word after "version" in what a program says of itself.
  static func version(_ text: String) -> String? {
    let words = text.split(whereSeparator: \.isWhitespace)
    guard let index = words.firstIndex(of: "version"), index + 1 < words.count else { return nil }
    return String(words[index + 1])
  }
}

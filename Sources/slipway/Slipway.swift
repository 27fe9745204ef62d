internal import ArgumentParser
internal import Basics
internal import Glibc
internal import ImageModel

/// The command line. Each subcommand is a file: it parses, makes one call, and shows the result.
@main
struct Slipway: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "slipway",
    abstract: "Build bootable NixOS disk images, with their EFI variables, and prove that they boot.",
    discussion: """
      Exit codes: 0 done, 1 the build failed, 2 bad input, 3 this machine is not able, 130 interrupted.
      """,
    version: SlipwayVersion.current,
    subcommands: [
      BuildCommand.self, AddGenerationCommand.self, PlanCommand.self, VerifyCommand.self, TestCommand.self,
      RunCommand.self,
      InspectCommand.self,
      DiffCommand.self,
      ReproduceCommand.self,
      DoctorCommand.self, SchemaCommand.self, ApplianceCommand.self, CacheCommand.self, EFIVarsCommand.self,
    ])

  static func main() async {
    // A peer that goes away, or a file that may not grow, is an error of the write, not the end of the process.
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
    keepStandardDescriptors()
    do {
      try ProcessLimits.check()
      var command = try parseAsRoot()
      if var command = command as? any AsyncParsableCommand {
        try await command.run()
      } else {
        try command.run()
      }
    } catch {
      ExitStatus.end(with: error)
    }
  }
}

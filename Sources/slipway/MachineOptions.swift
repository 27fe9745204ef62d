public import ArgumentParser
public import ImageBuilder

extension AcceleratorChoice: ExpressibleByArgument {}
extension StartChoice: ExpressibleByArgument {}

/// How virtual machines are run.
struct MachineOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "libvirt connection that runs the machines. (default: the embedded driver, which needs no daemon)",
      valueName: "uri"))
  var connect: String?

  @Option(help: "What runs the guest's processors.")
  var accel: AcceleratorChoice = .auto

  @Option(
    help: ArgumentHelp("libvirt domain template. (default: the built-in one)", valueName: "xml"),
    completion: .file(extensions: ["xml"]))
  var vmTemplate: String?

  func choice() -> MachineChoice {
    MachineChoice(connection: connect, accelerator: accel, template: vmTemplate)
  }
}

/// How progress is shown.
struct ProgressOptions: ParsableArguments {
  @Option(
    help: "How progress is shown: auto is live on a terminal; json is one object a line on standard output.")
  var progress: ProgressStyle = .auto

  @Flag(name: .shortAndLong, help: "Show the output of every step.")
  var verbose = false

  @Flag(
    name: .shortAndLong, help: "Show warnings and errors only, and print only what the command is asked for.")
  var quiet = false

  func validate() throws {
    guard !quiet || !verbose else { throw ValidationError("Give --quiet or --verbose, not both.") }
  }

  /// Whether what came of it is printed for people.
  var showsSummary: Bool { !quiet && progress != .json }

  func renderer() -> ProgressRenderer {
    ProgressRenderer(style: progress, isVerbose: verbose, isQuiet: quiet)
  }
}

/// The kernel that carries the agent.
struct ApplianceOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Kernel of the VM that installs. (default: the newest usable in /boot)", valueName: "file"),
    completion: .file())
  var kernel: String?

  @Option(
    help: ArgumentHelp(
      "Folder with the modules of --kernel. (default: /lib/modules/VERSION)", valueName: "dir"),
    completion: .directory)
  var modules: String?

  @Option(
    help: ArgumentHelp(
      "Extra tool for the VM that installs, such as mkfs.jfs, by name or path; may be given again.",
      valueName: "tool"))
  var applianceTool: [String] = []

  @Option(help: ArgumentHelp("The static agent executable. (default: beside slipway)", visibility: .hidden))
  var agent: String?

  func choice() -> ApplianceChoice {
    ApplianceChoice(kernel: kernel, modules: modules, agent: agent, tools: applianceTool)
  }
}

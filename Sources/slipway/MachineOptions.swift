public import ArgumentParser
public import ImageBuilder

extension AcceleratorChoice: ExpressibleByArgument {}

/// How virtual machines are run.
struct MachineOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "libvirt to use; without it, one of our own that needs no daemon.", valueName: "uri"))
  var connect: String?

  @Option(help: "What runs the guest's processors: auto, kvm, tcg.")
  var accel: AcceleratorChoice = .auto

  @Option(help: ArgumentHelp("libvirt domain template to use instead of the built-in one.", valueName: "xml"))
  var vmTemplate: String?

  func choice() -> MachineChoice {
    MachineChoice(connection: connect, accelerator: accel, template: vmTemplate)
  }
}

/// How progress is shown.
struct ProgressOptions: ParsableArguments {
  @Option(help: "Progress: auto (live on a terminal), plain, json (one object a line on standard output).")
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
  @Option(help: "Kernel of the VM that installs. [the newest usable in /boot]")
  var kernel: String?

  @Option(help: "Folder with that kernel's modules. [/lib/modules/VERSION]")
  var modules: String?

  @Option(
    help: ArgumentHelp(
      "Further tool of the VM that installs, such as mkfs.jfs, by name or path; may be given again.",
      valueName: "tool"))
  var applianceTool: [String] = []

  @Option(help: ArgumentHelp("The static agent executable. [beside slipway]", visibility: .hidden))
  var agent: String?

  func choice() -> ApplianceChoice {
    ApplianceChoice(kernel: kernel, modules: modules, agent: agent, tools: applianceTool)
  }
}

public import BuildPlan
public import ImageModel

/// What runs a guest's processors, as a user chooses it.
public enum AcceleratorChoice: String, CaseIterable, Sendable {
  /// KVM where a probe shows that it works, emulation elsewhere.
  case auto
  /// KVM, or an error.
  case kvm
  /// Emulation.
  case tcg

  /// What is asked for; nil for whatever works.
  var kind: Accelerator.Kind? {
    switch self {
    case .auto: nil
    case .kvm: .kvm
    case .tcg: .tcg
    }
  }
}

/// How the machine that installs is brought up.
public enum StartChoice: String, CaseIterable, Sendable {
  /// It is restored from a saved machine where there is one of this start; else it boots, and is saved for the next build.
  case auto
  /// It boots, and nothing is saved.
  case cold
  /// It is restored, or the build fails.
  case warm
}

/// How virtual machines are run.
public struct MachineChoice: Hashable, Sendable {
  /// A libvirt URI; nil for the embedded driver, which needs no daemon.
  public var connection: String?
  /// What runs the guest's processors.
  public var accelerator: AcceleratorChoice
  /// A domain template to use instead of the built-in one.
  public var template: String?

  /// Describes a choice.
  public init(
    connection: String? = nil, accelerator: AcceleratorChoice = .auto, template: String? = nil
  ) {
    self.connection = connection
    self.accelerator = accelerator
    self.template = template
  }
}

/// The parts of the appliance, where a user chooses others than the defaults.
public struct ApplianceChoice: Hashable, Sendable {
  /// The kernel.
  public var kernel: String?
  /// The folder of its modules.
  public var modules: String?
  /// The static agent executable.
  public var agent: String?
  /// Tools beside the usual ones, by their names in `PATH` or their paths.
  public var tools: [String]

  /// Describes a choice.
  public init(
    kernel: String? = nil, modules: String? = nil, agent: String? = nil, tools: [String] = []
  ) {
    self.kernel = kernel
    self.modules = modules
    self.agent = agent
    self.tools = tools
  }
}

/// One build, as it is asked for.
public struct BuildRequest: Hashable, Sendable {
  /// The image.
  public var spec: ImageSpec
  /// The folder to make.
  public var out: String
  /// Whether an existing output folder is replaced.
  public var force: Bool
  /// Whether the result is booted before it is kept.
  public var verify: Bool
  /// Whether a second build has to make the same bytes for the result to be kept.
  public var checkReproducible: Bool
  /// Whether a failed step opens a shell in the guest.
  public var debugShell: Bool
  /// Seconds after which a step counts as hung; nil for the plan's limits.
  public var stepTimeLimit: Int?
  /// Where the whole output of a build that fails is kept; nil for `OUT.failed.log`, beside the output folder.
  public var failureLog: String?
  /// The machine.
  public var machine: MachineChoice
  /// How it is brought up.
  public var start: StartChoice
  /// Words that come to QEMU's command line of the machine that installs.
  public var qemuArguments: [String]
  /// The appliance.
  public var appliance: ApplianceChoice
  /// The build that this one repeats, whose seed and time it takes where the spec wants new ones; nil for none.
  var repeated: Manifest?

  /// Describes a build.
  public init(
    spec: ImageSpec, out: String = "result", force: Bool = false, verify: Bool = false,
    checkReproducible: Bool = false, debugShell: Bool = false, stepTimeLimit: Int? = nil,
    failureLog: String? = nil,
    machine: MachineChoice = MachineChoice(), start: StartChoice = .auto, qemuArguments: [String] = [],
    appliance: ApplianceChoice = ApplianceChoice()
  ) {
    self.spec = spec
    self.out = out
    self.force = force
    self.verify = verify
    self.checkReproducible = checkReproducible
    self.debugShell = debugShell
    self.stepTimeLimit = stepTimeLimit
    self.failureLog = failureLog
    self.machine = machine
    self.start = start
    self.qemuArguments = qemuArguments
    self.appliance = appliance
  }
}

/// An image that is to boot, and the machine for it: what verification and a run have in common.
public struct BootRequest: Hashable, Sendable {
  /// The output folder of a build; its manifest names the rest.
  public var folder: String?
  /// The image, when there is no folder.
  public var image: String?
  /// The image's format; nil to go by its extension.
  public var format: ImageFormat?
  /// The EFI variables to boot with; nil for the build's, or the firmware's template.
  public var efiVariables: String?
  /// Whether it boots with the firmware's template of variables, as on another machine.
  public var freshVariables: Bool
  /// The firmware code; nil for the build's, or the one that the descriptors name.
  public var efiFirmware: String?
  /// Whether that code hangs without system management mode; nil where its descriptor or its name tells.
  public var efiFirmwareNeedsSMM: Bool?
  /// The firmware where neither code nor manifest names one; nil for what the descriptors name.
  var firmware: FirmwarePair?
  /// Whether it is booted by a BIOS, though it may have been built by EFI.
  public var bios: Bool
  /// A kernel for an image without a bootloader.
  public var kernel: ExternalKernel?
  /// Memory, in MiB.
  public var memory: UInt64
  /// Processors.
  public var cpus: Int
  /// Bytes in a sector of the disk; nil for the build's, or 512.
  public var sectorSize: UInt64?
  /// The machine.
  public var machine: MachineChoice

  /// Describes a boot.
  public init(
    folder: String? = nil, image: String? = nil, format: ImageFormat? = nil, efiVariables: String? = nil,
    freshVariables: Bool = false, efiFirmware: String? = nil, efiFirmwareNeedsSMM: Bool? = nil,
    bios: Bool = false, kernel: ExternalKernel? = nil, memory: UInt64 = 1024, cpus: Int = 2,
    sectorSize: UInt64? = nil, machine: MachineChoice = MachineChoice()
  ) {
    self.folder = folder
    self.image = image
    self.format = format
    self.efiVariables = efiVariables
    self.freshVariables = freshVariables
    self.efiFirmware = efiFirmware
    self.efiFirmwareNeedsSMM = efiFirmwareNeedsSMM
    self.bios = bios
    self.kernel = kernel
    self.memory = memory
    self.cpus = cpus
    self.sectorSize = sectorSize
    self.machine = machine
  }
}

/// One verification, as it is asked for.
public struct VerifyRequest: Hashable, Sendable {
  /// The sign of life that every system with a serial console gives: a prompt for a user's name, at the end of what
  /// the console shows, or with a message of the kernel's or of systemd's behind it: `[  OK  ] …`, or an indented one.
  public static let loginPrompt = #"\blogin: ?(?=$|\[| {2})"#

  /// What of an image is booted.
  public enum Choices: Hashable, Sendable {
    /// One boot.
    case one(BootChoice)
    /// Every boot entry that the image has.
    case all
  }

  /// The image and the machine.
  public var boot: BootRequest
  /// What is booted; each in a boot and on a copy of its own.
  public var choices: Choices
  /// What happens in each of these boots.
  public var trial: BootTrial
  /// Who logs in on the console, where a boot has to be looked at from inside.
  public var login: ConsoleLogin
  /// A regular expression for what the serial console must show.
  public var expect: String
  /// Seconds after which a boot has failed.
  public var timeLimit: Int
  /// Where a picture of the screen goes.
  public var screenshot: String?
  /// How many boots run at once; nil for as many as the host has processors and memory for.
  public var jobs: Int?

  /// Describes a verification.
  public init(
    _ boot: BootRequest, choices: Choices = .one(.byItself), trial: BootTrial = .comesUp,
    login: ConsoleLogin = ConsoleLogin(), expect: String = VerifyRequest.loginPrompt, timeLimit: Int = 300,
    screenshot: String? = nil, jobs: Int? = nil
  ) {
    self.boot = boot
    self.choices = choices
    self.trial = trial
    self.login = login
    self.expect = expect
    self.timeLimit = timeLimit
    self.screenshot = screenshot
    self.jobs = jobs
  }
}

/// What happens in a boot, and what must come of it.
public enum BootTrial: Hashable, Sendable {
  /// The system comes up.
  case comesUp
  /// It comes up, reboots, and comes up again.
  case reboots
  /// The power is cut, and the system comes up at the next start.
  case losesPower(CutPoint)
  /// The system does not come up.
  case doesNotComeUp

  /// When the power is cut.
  public enum CutPoint: Hashable, Sendable {
    /// So many seconds after the machine's start.
    case seconds(Double)
    /// When the console shows a match of a regular expression.
    case console(String)
  }
}

/// A kernel that is given to the machine, because the image has no bootloader.
public struct ExternalKernel: Hashable, Sendable {
  /// The kernel image.
  public var kernel: String
  /// Its initial ramdisk.
  public var initrd: String
  /// Its command line.
  public var commandLine: String

  /// Describes a kernel.
  public init(kernel: String, initrd: String, commandLine: String) {
    self.kernel = kernel
    self.initrd = initrd
    self.commandLine = commandLine
  }
}

internal import Basics
internal import SystemPackage

/// Why no appliance could be made. Every cause names the file or tool, and what to do.
extension Fault {
  private init(appliance cause: String) {
    self.init(.hostNotAble, "the appliance cannot be built", cause: cause)
  }

  /// A tool of the guest is not on this host.
  static func toolMissing(name: String, debianPackage: String?) -> Fault {
    let remedy = debianPackage.map { "apt-get install \($0)" } ?? "name another with --appliance-tool"
    return Fault(appliance: "the appliance needs '\(name)', which is not there; \(remedy)")
  }

  /// A tool needs a shared library that the loader does not find.
  static func libraryMissing(library: String, tool: String) -> Fault {
    Fault(
      appliance: "the appliance needs '\(tool)', whose library '\(library)' is missing; "
        + "reinstall the package that owns '\(tool)' (dpkg -S \(tool))")
  }

  /// A file that should be an ELF executable is something else.
  static func notAnExecutable(_ path: FilePath, reason: String) -> Fault {
    Fault(
      appliance: "'\(path)' cannot go into the appliance: \(reason); a 64-bit ELF executable is needed")
  }

  /// The agent has not been built.
  static func agentMissing(_ path: FilePath) -> Fault {
    Fault(appliance: "there is no agent at '\(path)'; build it with 'make build'")
  }

  /// The agent needs a loader, so it cannot be the first process.
  static func agentNotStatic(_ path: FilePath) -> Fault {
    Fault(
      appliance: "the agent '\(path)' is linked dynamically and cannot be the guest's first process; "
        + "build it with -static-executable")
  }

  /// No kernel of this folder has its modules.
  static func kernelMissing(_ folder: FilePath) -> Fault {
    Fault(
      appliance: "no kernel 'vmlinuz-*' in '\(folder)' has its modules in /lib/modules; "
        + "apt-get install \(Architecture.current.smallKernelPackage), or name one with --kernel and --modules"
    )
  }

  /// The kernel's modules folder, or its index, is not there.
  static func modulesMissing(_ folder: FilePath) -> Fault {
    Fault(
      appliance:
        "'\(folder)' has no modules.dep, so it is not a kernel's modules folder or was never indexed; "
        + "name the right one with --modules, or run depmod for it")
  }

  /// The kernel has a required driver neither built in nor as a module.
  static func moduleMissing(name: String, folder: FilePath) -> Fault {
    Fault(
      appliance: "the kernel of '\(folder)' has no driver '\(name)', built in or as a module; "
        + "use a kernel that has it (apt-get install \(Architecture.current.smallKernelPackage))")
  }

  /// No kernel has the driver of a filesystem that is asked for.
  static func driverMissing(name: String, folder: FilePath) -> Fault {
    Fault(
      appliance:
        "the kernel of '\(folder)' cannot mount the filesystem '\(name)', and no other in /boot can; "
        + "apt-get install \(Architecture.current.kernelPackage), or name one that has it with --kernel and --modules"
    )
  }

  /// Kernel and modules are of different builds; the kernel would refuse the modules.
  static func kernelMismatch(kernel: FilePath, version: String, modules: FilePath) -> Fault {
    Fault(
      appliance: "the kernel '\(kernel)' is version \(version) and would refuse the modules in '\(modules)'; "
        + "name the modules folder of that version with --modules")
  }

  /// A file changed between being hashed and being packed.
  static func inputsChanged(_ paths: [FilePath]) -> Fault {
    let names = paths.map(\.string).joined(separator: ", ")
    return Fault(
      appliance:
        "these files changed while the appliance was made: \(names); run it again when they are finished")
  }

  /// A file could not be read, written or examined.
  static func file(_ path: FilePath, reason: String) -> Fault {
    Fault(appliance: "'\(path)' cannot be used for the appliance: \(reason)")
  }
}

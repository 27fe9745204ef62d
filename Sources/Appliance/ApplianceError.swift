internal import Basics
package import SystemPackage

/// Why no appliance could be made. Every case names the file or tool, and what to do.
package enum ApplianceError: Error, Hashable, Sendable {
  /// A tool of the guest is not on this host.
  case toolMissing(name: String, debianPackage: String?)
  /// A tool needs a shared library that the loader does not find.
  case libraryMissing(library: String, tool: String)
  /// A file that should be an ELF executable is something else.
  case notAnExecutable(FilePath, reason: String)
  /// The agent has not been built.
  case agentMissing(FilePath)
  /// The agent needs a loader, so it cannot be the first process.
  case agentNotStatic(FilePath)
  /// No kernel of this folder has its modules.
  case kernelMissing(FilePath)
  /// The kernel's modules folder, or its index, is not there.
  case modulesMissing(FilePath)
  /// The kernel has a required driver neither built in nor as a module.
  case moduleMissing(name: String, folder: FilePath)
  /// No kernel has the driver of a filesystem that is asked for.
  case driverMissing(name: String, folder: FilePath)
  /// Kernel and modules are of different builds; the kernel would refuse the modules.
  case kernelMismatch(kernel: FilePath, version: String, modules: FilePath)
  /// A file changed between being hashed and being packed.
  case inputsChanged([FilePath])
  /// A file could not be read, written or examined.
  case file(FilePath, reason: String)
}

extension ApplianceError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .toolMissing(let name, let package):
      "the appliance needs '\(name)', which is not there; "
        + (package.map { "apt-get install \($0)" } ?? "name another with --appliance-tool")
    case .libraryMissing(let library, let tool):
      "the appliance needs '\(tool)', whose library '\(library)' is missing; "
        + "reinstall the package that owns '\(tool)' (dpkg -S \(tool))"
    case .notAnExecutable(let path, let reason):
      "'\(path)' cannot go into the appliance: \(reason); a 64-bit ELF executable is needed"
    case .agentMissing(let path):
      "there is no agent at '\(path)'; build it with 'make build'"
    case .agentNotStatic(let path):
      "the agent '\(path)' is linked dynamically and cannot be the guest's first process; "
        + "build it with -static-executable"
    case .kernelMissing(let folder):
      "no kernel 'vmlinuz-*' in '\(folder)' has its modules in /lib/modules; "
        + "apt-get install \(Architecture.current.smallKernelPackage), or name one with --kernel and --modules"
    case .modulesMissing(let folder):
      "'\(folder)' has no modules.dep, so it is not a kernel's modules folder or was never indexed; "
        + "name the right one with --modules, or run depmod for it"
    case .moduleMissing(let name, let folder):
      "the kernel of '\(folder)' has no driver '\(name)', built in or as a module; "
        + "use a kernel that has it (apt-get install \(Architecture.current.smallKernelPackage))"
    case .driverMissing(let name, let folder):
      "the kernel of '\(folder)' cannot mount the filesystem '\(name)', and no other in /boot can; "
        + "apt-get install \(Architecture.current.kernelPackage), or name one that has it with --kernel and --modules"
    case .kernelMismatch(let kernel, let version, let modules):
      "the kernel '\(kernel)' is version \(version) and would refuse the modules in '\(modules)'; "
        + "name the modules folder of that version with --modules"
    case .inputsChanged(let paths):
      "these files changed while the appliance was made: \(paths.map(\.string).joined(separator: ", ")); "
        + "run it again when they are finished"
    case .file(let path, let reason): "'\(path)' cannot be used for the appliance: \(reason)"
    }
  }
}

internal import Basics
internal import Command
internal import Crypto
internal import Foundation
internal import SystemPackage

/// Everything that goes into an appliance, found and checked, before anything is written.
struct ApplianceContents {
  /// Part of every digest; raise it when the same inputs would make another initramfs.
  static let formatVersion = 3

  /// The kernel.
  let kernel: KernelFiles
  /// The initramfs but for `depmod`'s indexes.
  let entries: [ArchiveEntry]
  /// The modules.
  let modules: [KernelModuleFile]
  /// The program that indexes the modules, and the text files it reads beside them.
  let depmod: FilePath
  let depmodInputs: [FilePath]

  /// Finds all parts.
  ///
  /// - Throws: `Fault`; `CommandFailure` of `ldd` and `busybox`.
  static func gather(_ inputs: ApplianceInputs, runner: any CommandRunner) async throws -> ApplianceContents {
    guard exists(inputs.agent) else { throw Fault.agentMissing(inputs.agent) }
    guard try isStatic(inputs.agent) else { throw Fault.agentNotStatic(inputs.agent) }
    let modules = try inputs.kernel.moduleFiles(with: inputs.drivers)

    var tree = TreeBuilder()
    for folder in ["etc", "mnt", "proc", "root", "run", "sys", "tmp"] { tree.add(folder, .folder) }
    for folder in ["bin", "lib", "lib64", "sbin"] {
      tree.add("usr/\(folder)", .folder)
      tree.add(folder, .link("usr/\(folder)"))
    }
    // The kernel gives it to the first process as standard input and output, before /dev is mounted.
    tree.add("dev/console", .characterDevice(major: 5, minor: 1))
    tree.add("init", .file(inputs.agent, executable: true))
    try await tree.addTools(inputs, runner: runner)

    tree.add(modules, of: inputs.kernel)

    let depmodInputs = ["modules.order", "modules.builtin", "modules.builtin.modinfo"]
      .map { inputs.kernel.modules.appending($0) }.filter(exists)
    return ApplianceContents(
      kernel: inputs.kernel, entries: tree.entries, modules: modules.all,
      depmod: try inputs.find(ApplianceTool("depmod", debianPackage: "kmod")), depmodInputs: depmodInputs)
  }

  /// Every file of the host that the appliance depends on.
  var sources: [FilePath] {
    let files = entries.compactMap { entry -> FilePath? in
      if case .file(let source, _) = entry.node { source } else { nil }
    }
    return [kernel.image, depmod] + depmodInputs + files
  }

  /// The same nodes, with the modules' bytes from their unpacked copies below `root`.
  func entries(modulesIn root: FilePath) -> [ArchiveEntry] {
    let unpacked = Set(modules.map { "\(kernel.guestModules)/\($0.unpackedPath)" })
    return entries.map { entry in
      guard unpacked.contains(entry.path) else { return entry }
      return ArchiveEntry(path: entry.path, node: .file(root.appending(entry.path), executable: false))
    }
  }

  /// SHA-256 over the bytes and places of all parts.
  ///
  /// - Throws: `Fault`.
  func digest() throws -> String {
    var hash = SHA256()
    func add(_ words: String...) { hash.update(data: Data((words.joined(separator: "\0") + "\n").utf8)) }
    add("appliance", "\(Self.formatVersion)", kernel.guestModules)
    for path in [kernel.image, depmod] + depmodInputs { add(try hexDigest(of: contents(of: path))) }
    for entry in entries {
      switch entry.node {
      case .folder: add("folder", entry.path)
      case .file(let source, let executable):
        add("file", entry.path, "\(executable)", try hexDigest(of: contents(of: source)))
      case .bytes(let bytes): add("bytes", entry.path, hexDigest(of: bytes))
      case .link(let target): add("link", entry.path, target)
      case .characterDevice(let major, let minor): add("device", entry.path, "\(major)", "\(minor)")
      }
    }
    return Hexadecimal.text(hash.finalize())
  }
}

/// SHA-256 in hexadecimal.
func hexDigest(of bytes: [UInt8]) -> String {
  Hexadecimal.text(SHA256.hash(data: bytes))
}

extension ApplianceInputs {
  /// The tool's place on this host.
  ///
  /// - Throws: `Fault`.
  func find(_ tool: ApplianceTool) throws -> FilePath {
    let candidates = tool.path.map { [$0] } ?? searchPath.map { $0.appending(tool.name) }
    guard let found = candidates.first(where: FileStatus.isProgram) else {
      throw Fault.toolMissing(
        name: tool.path?.string ?? tool.name, debianPackage: tool.debianPackage)
    }
    return found
  }
}

internal import Basics
internal import Command
internal import SystemPackage

/// One file of a kernel module, as its modules folder keeps it.
///
/// The agent hands a module's bytes to the kernel, and not every kernel can unpack them itself
/// (CONFIG_MODULE_DECOMPRESS). So the initramfs holds all modules unpacked.
struct KernelModuleFile: Hashable {
  /// How kernels pack their modules, by the last part of the file's name (kernel/module/Kconfig, "Module compression
  /// type"; depmod knows the same three).
  enum Packing: String, CaseIterable {
    case xz, zst, gz

    /// What unpacks it on the host.
    var tool: ApplianceTool {
      switch self {
      case .xz: ApplianceTool("xz", debianPackage: "xz-utils")
      case .zst: ApplianceTool("zstd", debianPackage: "zstd")
      case .gz: ApplianceTool("gzip", debianPackage: "gzip")
      }
    }

    /// The words that make the tool put the unpacked file in the place of each packed one.
    var words: [String] {
      self == .zst ? ["--decompress", "--quiet", "--force", "--rm"] : ["--decompress", "--quiet", "--force"]
    }
  }

  /// Relative to the modules folder.
  let path: String
  /// Nil for a plain `.ko`.
  let packing: Packing?

  /// - Throws: `Fault` for a name that ends in nothing known.
  init(_ path: String, in folder: FilePath) throws {
    self.path = path
    let suffix = path.split(separator: ".").last.map(String.init) ?? ""
    packing = Packing(rawValue: suffix)
    guard path.hasSuffix(".ko") || unpackedPath.hasSuffix(".ko") else {
      throw Fault.file(
        folder.appending(path), reason: "it is not a kernel module: .ko, .ko.xz, .ko.zst and .ko.gz are known"
      )
    }
  }

  /// Where the unpacked module is, relative to the modules folder.
  var unpackedPath: String {
    packing.map { String(path.dropLast($0.rawValue.count + 1)) } ?? path
  }
}

extension [KernelModuleFile] {
  /// Copies the modules to the same places below another folder, unpacked.
  ///
  /// - Parameters:
  ///   - folder: the kernel's modules folder.
  ///   - find: a tool's place on the host.
  /// - Throws: `Fault`; `CommandFailure` when a module is damaged.
  func unpack(
    from folder: FilePath, to target: FilePath, find: (ApplianceTool) throws -> FilePath,
    runner: any CommandRunner
  ) async throws {
    for module in self {
      let place = target.appending(module.path)
      try makeFolder(place.removingLastComponent())
      // Not a copy of what may be a link, as in a Nix profile: the tools take files only.
      try write(contents(of: folder.appending(module.path)), to: place)
    }
    for packing in KernelModuleFile.Packing.allCases {
      // As many as the appliance loads, a few dozen, whatever the kernel has.
      let files = filter { $0.packing == packing }.map { target.appending($0.path).string }
      guard !files.isEmpty else { continue }
      try await runner.run(Command(find(packing.tool).string, packing.words + ["--"] + files))
    }
  }
}

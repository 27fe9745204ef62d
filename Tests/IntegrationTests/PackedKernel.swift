internal import SystemPackage
internal import TestSupport

@testable internal import Appliance

/// The flags for a kernel whose modules are packed, as most distributions and nixpkgs ship them.
func packedKernel(in scratch: FilePath, packings: [String]) async throws -> [String] {
  let version = try GuestKernel.version()
  let kernel = KernelFiles(
    image: FilePath(try GuestKernel.path()), modules: FilePath("/lib/modules/\(version)"))
  let modules = try kernel.moduleFiles(with: []).all.map(\.path)
  let folder = try await PackedModules.make(
    of: kernel.modules, in: scratch.appending("modules"), packings: packings, only: modules)
  return ["--kernel", kernel.image.string, "--modules", folder.string]
}

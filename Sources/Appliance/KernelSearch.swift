internal import Basics
internal import Foundation
package import SystemPackage

/// Which kernel of this machine the appliance takes: one rule, for doctor and for builds.
extension KernelFiles {
  /// The first of this machine's kernels that can be used: that may be read, has its modules, and among them the drivers
  /// that every installation needs, and these.
  ///
  /// - Parameter drivers: further drivers, of filesystems.
  /// - Throws: `Fault`: why there is none.
  package static func newestKernel(
    with drivers: [String] = [], under root: FilePath = "/"
  ) throws -> KernelFiles {
    let (boot, modules) = (root.appending("boot"), root.appending("lib/modules"))
    var lacksDriver: Fault?
    var unusable: Fault?
    for release in releases(
      images: exists(boot) ? try names(in: boot) : [],
      moduleFolders: exists(modules) ? try names(in: modules) : [])
    {
      let kernel = KernelFiles(image: boot.appending(prefix + release), modules: modules.appending(release))
      do {
        let index = try kernel.checkedIndex()
        guard let name = drivers.first(where: { !index.has($0) }) else { return kernel }
        lacksDriver = lacksDriver ?? .driverMissing(name: name, folder: kernel.modules)
      } catch let fault as Fault {
        unusable = unusable ?? fault
      }
    }
    throw lacksDriver ?? unusable ?? .kernelMissing(boot)
  }

  private static let prefix = "vmlinuz-"

  /// The releases of kernels that have their modules, the best first: Debian's cloud kernels before others, as they are
  /// half the size, then the newest.
  ///
  /// - Parameters:
  ///   - images: file names below `/boot`.
  ///   - moduleFolders: folder names below `/lib/modules`.
  static func releases(images: [String], moduleFolders: [String]) -> [String] {
    let releases = images.filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
    return releases.filter(Set(moduleFolders.filter { !$0.isEmpty }).contains).sorted { left, right in
      let cloud = (left.contains("-cloud-"), right.contains("-cloud-"))
      return cloud.0 == cloud.1 ? isNewer(left, right) : cloud.0
    }
  }

  /// Compares releases number by number, so that 6.10 is newer than 6.9.
  private static func isNewer(_ left: String, _ right: String) -> Bool {
    func numbers(_ release: String) -> [UInt64] {
      release.split { !("0"..."9").contains($0) }.map { UInt64($0) ?? .max }
    }
    let (ours, theirs) = (numbers(left), numbers(right))
    return ours == theirs ? left > right : theirs.lexicographicallyPrecedes(ours)
  }

  /// Checks that the kernel may be read, and has the drivers of every installation, and these.
  ///
  /// - Throws: `Fault`.
  package func check(_ drivers: [String]) throws {
    let index = try checkedIndex()
    for name in drivers where !index.has(name) {
      throw Fault.driverMissing(name: name, folder: modules)
    }
  }

  /// The modules of a kernel that may be read, and has the drivers of every installation.
  private func checkedIndex() throws -> ModuleIndex {
    try onFile(image) { try FileDescriptor.open(image, .readOnly, options: .closeOnExec).close() }
    let index = try ModuleIndex(of: modules)
    for name in ApplianceModules.atBoot + ApplianceModules.required where !index.has(name) {
      throw Fault.moduleMissing(name: name, folder: modules)
    }
    return index
  }
}

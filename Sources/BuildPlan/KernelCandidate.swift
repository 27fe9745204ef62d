/// A kernel image with the folder of its modules.
package struct KernelCandidate: Hashable, Codable, Sendable {
  /// The release, as `uname -r` would print it.
  package var release: String
  /// The kernel image.
  package var image: String
  /// The folder of its modules.
  package var modules: String

  package init(release: String, image: String, modules: String) {
    self.release = release
    self.image = image
    self.modules = modules
  }

  /// Pairs images with modules, the best first: cloud kernels before others, as they are smaller and boot
  /// faster in a VM, then the newest.
  ///
  /// - Parameters:
  ///   - images: file names below `/boot`.
  ///   - moduleFolders: folder names below `/lib/modules`.
  package static func candidates(images: [String], moduleFolders: [String]) -> [KernelCandidate] {
    let prefix = "vmlinuz-"
    let releases = images.filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
    return releases.filter(Set(moduleFolders).contains)
      .sorted { left, right in
        let cloud = (left.contains("-cloud-"), right.contains("-cloud-"))
        return cloud.0 == cloud.1 ? isNewer(left, right) : cloud.0
      }
      .map { KernelCandidate(release: $0, image: "/boot/\(prefix)\($0)", modules: "/lib/modules/\($0)") }
  }
}

/// Compares releases number by number, so that 6.10 is newer than 6.9.
private func isNewer(_ left: String, _ right: String) -> Bool {
  func numbers(_ release: String) -> [UInt64] {
    release.split { !("0"..."9").contains($0) }.map { UInt64($0) ?? .max }
  }
  let (ours, theirs) = (numbers(left), numbers(right))
  return ours == theirs ? left > right : theirs.lexicographicallyPrecedes(ours)
}

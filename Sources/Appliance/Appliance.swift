package import SystemPackage

/// A kernel and an initramfs that carry the agent, ready to boot.
package struct Appliance: Hashable, Sendable {
  /// The kernel.
  package let kernel: FilePath
  /// The initramfs.
  package let initramfs: FilePath
  /// SHA-256 over all that they were made of, in hexadecimal.
  package let digest: String
}

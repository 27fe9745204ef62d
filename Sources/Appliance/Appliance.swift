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

/// What is happening while an appliance is made.
package enum ApplianceProgress: Hashable, Sendable {
  /// No input has changed since the appliance was made.
  case upToDate
  /// Inputs are read and hashed.
  case reading
  /// The initramfs is written; how many nodes it has.
  case writing(nodes: Int)
}

/// A program that Slipway needs, and where it comes from.
package struct ToolRequirement: Hashable, Sendable {
  /// Its file name.
  package var name: String
  /// The Debian package that has it.
  package var debianPackage: String
  /// What it belongs to, by the name that other distributions know.
  package var project: String
  /// The argument that makes it tell its version; nil when nobody needs that.
  package var versionArgument: String?
  /// Whether it has to run without shared libraries.
  package var mustBeStatic = false
  /// The only output format that needs it; nil for what every build needs.
  package var format: String?

  /// Run on the host.
  package static let host = [
    ToolRequirement(
      name: "qemu-system-x86_64", debianPackage: "qemu-system-x86", project: "QEMU",
      versionArgument: "--version"),
    qemuImage,
    ToolRequirement(name: "mdir", debianPackage: "mtools", project: "mtools"),
    // What unpacks kernel modules, with zstd and gzip, which formats need too.
    ToolRequirement(name: "xz", debianPackage: "xz-utils", project: "xz"),
  ]

  /// Run on the host for one output format.
  package static let formats = [zstd, tar, gzip]

  package static let qemuImage = ToolRequirement(
    name: "qemu-img", debianPackage: "qemu-utils", project: "QEMU", versionArgument: "--version")
  package static let zstd = ToolRequirement(
    name: "zstd", debianPackage: "zstd", project: "Zstandard", format: "raw.zst")
  package static let tar = ToolRequirement(
    name: "tar", debianPackage: "tar", project: "GNU tar", format: "raw.tar.gz")
  package static let gzip = ToolRequirement(
    name: "gzip", debianPackage: "gzip", project: "GNU gzip", format: "raw.tar.gz")

  /// Copied into the appliance, with the libraries that they need; sfdisk is run on the host as well.
  package static let appliance = [
    ToolRequirement(name: "sfdisk", debianPackage: "fdisk", project: "util-linux"),
    ToolRequirement(name: "mke2fs", debianPackage: "e2fsprogs", project: "e2fsprogs"),
    ToolRequirement(name: "e2fsck", debianPackage: "e2fsprogs", project: "e2fsprogs"),
    ToolRequirement(name: "mkfs.vfat", debianPackage: "dosfstools", project: "dosfstools"),
    ToolRequirement(name: "mkfs.xfs", debianPackage: "xfsprogs", project: "xfsprogs"),
    ToolRequirement(name: "mkfs.btrfs", debianPackage: "btrfs-progs", project: "btrfs-progs"),
    ToolRequirement(name: "mkfs.f2fs", debianPackage: "f2fs-tools", project: "f2fs-tools"),
    ToolRequirement(name: "mkswap", debianPackage: "util-linux", project: "util-linux"),
    ToolRequirement(name: "blkid", debianPackage: "util-linux", project: "util-linux"),
    ToolRequirement(name: "modprobe", debianPackage: "kmod", project: "kmod"),
    ToolRequirement(
      name: "busybox", debianPackage: "busybox-static", project: "busybox, statically linked",
      mustBeStatic: true),
  ]

  /// How to get it.
  package var remedy: String { "Debian: apt install \(debianPackage); elsewhere: \(project)" }
}

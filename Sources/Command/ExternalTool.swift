internal import Basics
internal import ImageModel

/// A program that Slipway runs, and what has it. `all` is the one list: what `slipway doctor` looks for, what the appliance
/// is given, and the packages of `nix/tools.nix` follow from it.
package struct ExternalTool: Hashable, Sendable {
  /// Where a program runs.
  package enum Place: Hashable, Sendable {
    /// On this machine.
    case host
    /// In the machine that installs, as part of the appliance.
    case guest
    /// In both.
    case both
  }

  /// Its file name.
  package var name: String
  /// Where it runs.
  package var place: Place
  /// The Debian package that has it.
  package var debianPackage: String
  /// What it belongs to, by the name that other distributions know.
  package var project: String
  /// The attribute of nixpkgs that has it.
  package var nixPackage: String
  /// What needs it; nil when every build does.
  package var need: String?
  /// The argument that makes it tell its version; nil when nobody needs that.
  package var versionArgument: String?
  /// Whether it has to run without shared libraries.
  package var mustBeStatic: Bool
  /// Whether every Linux system has it, so that a report names it only where it is missing.
  package var isEverywhere: Bool
  /// Links to it in the guest; such a program acts by the name it is called by.
  package var aliases: [String]

  /// Describes a program. Project and attribute have the Debian package's name unless they are given.
  package init(
    _ name: String, on place: Place, debianPackage: String, project: String? = nil, nixPackage: String? = nil,
    need: String? = nil, versionArgument: String? = nil, mustBeStatic: Bool = false,
    isEverywhere: Bool = false, aliases: [String] = []
  ) {
    self.name = name
    self.place = place
    self.debianPackage = debianPackage
    self.project = project ?? debianPackage
    self.nixPackage = nixPackage ?? self.project
    self.need = need
    self.versionArgument = versionArgument
    self.mustBeStatic = mustBeStatic
    self.isEverywhere = isEverywhere
    self.aliases = aliases
  }

  /// Whether it can be called by this name.
  package func answers(to name: String) -> Bool { self.name == name || aliases.contains(name) }

  /// Every program, those that run first in a build first.
  package static let all = machine + disks + shell + filesystems

  /// Those that go into the appliance.
  package static var guest: [ExternalTool] { all.filter { $0.place != .host } }

  /// How to get it.
  package var remedy: String { "Debian: apt install \(debianPackage); elsewhere: \(project)" }

  package static let qemuImage = ExternalTool(
    "qemu-img", on: .host, debianPackage: "qemu-utils", project: "QEMU", nixPackage: "qemu_kvm",
    versionArgument: "--version")
  package static let zstd = ExternalTool(
    "zstd", on: .host, debianPackage: "zstd",
    need: "the format raw.zst, or a kernel with modules packed by zstd")
  package static let tar = ExternalTool(
    "tar", on: .host, debianPackage: "tar", project: "GNU tar", nixPackage: "gnutar",
    need: "the format raw.tar.gz")
  package static let gzip = ExternalTool(
    "gzip", on: .host, debianPackage: "gzip", project: "GNU gzip", nixPackage: "gzip",
    need: "the format raw.tar.gz, or a kernel with modules packed by gzip")

  package static let xz = ExternalTool(
    "xz", on: .host, debianPackage: "xz-utils", project: "xz", need: "a kernel with modules packed by xz")

  private static let machine = [
    ExternalTool(
      Architecture.current.emulator, on: .host, debianPackage: Architecture.current.emulatorPackage,
      project: "QEMU",
      nixPackage: "qemu_kvm", versionArgument: "--version"),
    qemuImage,
    ExternalTool(
      "kmod", on: .both, debianPackage: "kmod",
      aliases: ["depmod", "insmod", "lsmod", "modprobe", "rmmod"]),
    ExternalTool(
      "ldd", on: .host, debianPackage: "libc-bin", project: "glibc", nixPackage: "stdenv.cc.libc",
      isEverywhere: true),
    // Answers with a shell for `--debug-shell`, and with the small tools a person expects there.
    ExternalTool(
      "busybox", on: .both, debianPackage: "busybox-static", project: "busybox, statically linked",
      nixPackage: "pkgsStatic.busybox", mustBeStatic: true),
  ]

  private static let disks =
    [
      ExternalTool("sfdisk", on: .both, debianPackage: "fdisk", project: "util-linux"),
      ExternalTool("mdir", on: .host, debianPackage: "mtools"),
      ExternalTool("mcopy", on: .host, debianPackage: "mtools"),
      zstd, xz, tar, gzip,
    ] + makers(isHosts: true)

  /// What scripts, hooks and the clean-up after an interruption call.
  private static let shell = [
    ExternalTool("bash", on: .host, debianPackage: "bash", isEverywhere: true),
    ExternalTool("sh", on: .host, debianPackage: "dash", nixPackage: "bash", isEverywhere: true),
    ExternalTool("env", on: .host, debianPackage: "coreutils", isEverywhere: true),
    ExternalTool("cp", on: .host, debianPackage: "coreutils", isEverywhere: true),
    ExternalTool("dd", on: .host, debianPackage: "coreutils", isEverywhere: true),
    ExternalTool("chmod", on: .host, debianPackage: "coreutils", isEverywhere: true),
    ExternalTool("chroot", on: .guest, debianPackage: "coreutils", isEverywhere: true),
    ExternalTool("grep", on: .host, debianPackage: "grep", nixPackage: "gnugrep", isEverywhere: true),
  ]

  private static let filesystems =
    makers(isHosts: false) + [
      ExternalTool("blkid", on: .guest, debianPackage: "util-linux"),
      ExternalTool("blockdev", on: .guest, debianPackage: "util-linux"),
    ]

  /// What the kinds of filesystems name, each program once.
  private static func makers(isHosts: Bool) -> [ExternalTool] {
    var names: Set<String> = []
    return FilesystemTraits.all.flatMap(\.programs).filter {
      $0.isHosts == isHosts && names.insert($0.name).inserted
    }.map {
      ExternalTool(
        $0.name, on: isHosts ? .host : .guest, debianPackage: $0.debianPackage, nixPackage: $0.nixPackage,
        need: $0.need, versionArgument: $0.versionArgument, aliases: $0.aliases)
    }
  }
}

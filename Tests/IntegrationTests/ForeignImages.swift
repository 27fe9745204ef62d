import Command
import Foundation
import SystemPackage
import TestSupport
import Testing

/// Images that other tools make, none of them mounted here. Their labels and names are such as escapes are forgotten for.
struct ForeignImages {
  let scratch: FilePath
  private let runner = SubprocessRunner()

  /// libguestfs runs QEMU itself, without KVM, which not every machine has.
  static let emulated = ["LIBGUESTFS_BACKEND": "direct", "LIBGUESTFS_BACKEND_SETTINGS": "force_tcg"]

  init(in scratch: FilePath) {
    self.scratch = scratch
  }

  private func write(_ text: String, to path: FilePath) throws {
    try FileManager.default.createDirectory(
      atPath: path.removingLastComponent().string, withIntermediateDirectories: true)
    try Data(text.utf8).write(to: URL(fileURLWithPath: path.string))
  }

  func virtMakeFs(_ image: FilePath) async throws {
    let tree = scratch.appending("tree")
    try write("text\n", to: tree.appending("folder/file"))
    try await runner.run(
      Command(
        "virt-make-fs",
        ["--partition=gpt", "--type=ext4", "--label=<i>&amp;", "--format=raw", tree.string, image.string],
        environment: Self.emulated))
  }

  // MARK: - Debian

  /// A tree of this machine's Debian packages, with GRUB for BIOS on an MBR, by Debian's grub-install and update-grub in
  /// libguestfs's machine.
  ///
  /// - Returns: the version of its kernel.
  func debian(_ image: FilePath) async throws -> String {
    let kernels = try FileManager.default.contentsOfDirectory(atPath: "/boot")
      .filter { $0.hasPrefix("vmlinuz-") }.sorted()
    let version = String(try #require(kernels.first).dropFirst("vmlinuz-".count))
    let tree = scratch.appending("debian")
    try write("UUID=\(Self.debianUUID) / ext4 errors=remount-ro 0 1\n", to: tree.appending("etc/fstab"))
    try write(
      "GRUB_DISTRIBUTOR=Debian\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n",
      to: tree.appending("etc/default/grub"))
    try write("initrd", to: tree.appending("boot/initrd.img-\(version)"))
    try await runner.run("cp", "/boot/vmlinuz-\(version)", tree.appending("boot").string)
    try await runner.run("sh", "-c", Self.copyPackages, "sh", tree.string)
    let table = """
      label: dos
      label-id: 0x0a345678
      size=360M, type=L, bootable
      size=20M, type=S
      type=E
      size=8M, type=da
      size=8M, type=c

      """
    try await runner.run("truncate", "-s", "420M", image.string)
    try await runner.run(Command("sfdisk", ["--quiet", image.string], input: table))
    try await runner.run(
      "mke2fs", "-q", "-t", "ext4", "-L", "a \"root\"", "-U", Self.debianUUID, "-d", tree.string, "-E",
      "offset=1048576", image.string, "360M")
    // The machine's kernel may call the disk otherwise than libguestfs does.
    let install = #"sh "grub-install --target=i386-pc $(grub-probe -t disk /) && update-grub""#
    let script = "add-drive \(image) format:raw\nrun\nmount /dev/sda1 /\n\(install)\n"
    try await runner.run(Command("guestfish", ["--rw"], environment: Self.emulated, input: script))
    return version
  }

  static let debianUUID = "22222222-3333-4444-8555-666666666666"

  /// What the packages with GRUB's programs need of those that are installed here.
  private static let copyPackages = """
    set -eu
    cd "$1"
    mkdir -p usr/bin usr/sbin usr/lib usr/lib64 proc sys dev run tmp
    for name in bin sbin lib lib64; do ln -s usr/$name $name; done
    ln -s mawk usr/bin/awk
    packages=$(apt-cache depends --recurse --installed --no-recommends --no-suggests --no-conflicts --no-breaks \
      --no-replaces --no-enhances base-files bash dash coreutils sed grep mawk gettext-base util-linux \
      grub2-common grub-pc-bin | grep '^[a-z]')
    for package in $packages; do dpkg-query -L $package 2> /dev/null || :; done |
      grep -v -e '^/usr/share/\\(doc\\|man\\|locale\\|info\\)' -e '^/\\.$' -e '^/etc/default/grub$' | sort -u |
      tar -C / --no-recursion --ignore-failed-read -cf - -T - | tar --keep-directory-symlink -xf -
    """

  // MARK: - systemd-repart

  static let repartUUID = "33333333-4444-4555-8666-777777777777"

  /// An ESP with entries, a root of btrfs, swap, and partitions of a type that nobody knows and without a filesystem.
  func repart(_ image: FilePath) async throws {
    let tree = scratch.appending("repart-tree")
    try write("a", to: tree.appending("etc/file"))
    let root = scratch.appending("root")
    try await runner.run("truncate", "-s", "300M", root.string)
    try await runner.run(
      "mkfs.btrfs", "-q", "-L", "<i>root</i> name", "-U", Self.repartUUID, "-r", tree.string, root.string)
    let swap = scratch.appending("swap")
    try await runner.run("truncate", "-s", "16M", swap.string)
    try await runner.run("mkswap", "-q", "-L", "swap", swap.string)
    let definitions = scratch.appending("definitions")
    func define(_ number: Int, _ type: String, _ label: String, _ size: String, _ source: FilePath? = nil)
      throws
    {
      let copy = source.map { "CopyBlocks=\($0)\n" } ?? ""
      try write(
        "[Partition]\nType=\(type)\nLabel=\(label)\nSizeMinBytes=\(size)\nSizeMaxBytes=\(size)\n\(copy)",
        to: definitions.appending("\(number).conf"))
    }
    try define(10, "esp", "boot \"1\"", "40M", try await systemPartition())
    try define(20, "root", "r<b>oot", "300M", root)
    try define(30, "swap", "swap", "16M", swap)
    try define(40, "5dfbf5f4-2848-4bac-aa5e-0d9a20b745a6", "nobody knows", "2M")
    try define(50, "linux-generic", "empty", "2M")
    try await runner.run(
      "systemd-repart", "--empty=create", "--size=auto", "--dry-run=no", "--pretty=no",
      "--seed=11111111-2222-4333-8444-555555555555", "--definitions=\(definitions)", image.string)
  }

  /// Two entries of one kernel, and one without a sort key; mtools writes names of small letters as short ones.
  private func systemPartition() async throws -> FilePath {
    let tree = scratch.appending("esp-tree")
    let options = "options root=UUID=\(Self.repartUUID) ro quiet\n"
    let kernel = "linux /debian/6.1/linux\ninitrd /debian/6.1/ucode\ninitrd /debian/6.1/initrd\n"
    let entries = [
      "debian-6.1.conf": "title Debian <12>\nsort-key debian\nversion 6.1\n\(kernel)\(options)",
      "debian-6.10.conf": "title Debian <12>\nsort-key debian\nversion 6.10\n\(kernel)\(options)",
      "other.conf": "title Other\n\(kernel)options single\n",
    ]
    for (name, text) in entries { try write(text, to: tree.appending("loader/entries/\(name)")) }
    try write("timeout 3\ndefault debian-6.1.conf\n", to: tree.appending("loader/loader.conf"))
    for name in ["linux", "ucode", "initrd"] { try write(name, to: tree.appending("debian/6.1/\(name)")) }
    let image = scratch.appending("esp")
    try await runner.run("truncate", "-s", "40M", image.string)
    try await runner.run("mkfs.fat", "-F", "32", "-n", "A & B", "-i", "0BADCAFE", image.string)
    for folder in ["loader", "debian"] {
      try await runner.run("mcopy", "-s", "-i", image.string, tree.appending(folder).string, "::/")
    }
    return image
  }
}

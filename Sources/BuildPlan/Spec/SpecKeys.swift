internal import ImageModel

extension SpecType<String> {
  static var text: Self { Self(.text) { value throws(SpecError) in try value.text() } }
  static var path: Self { Self(.path) { value throws(SpecError) in try value.text() } }
  static var script: Self { Self(.script) { value throws(SpecError) in try value.text() } }
}
extension SpecType<Bool> {
  static var flag: Self { Self(.flag) { value throws(SpecError) in try value.flag() } }
}
extension SpecType<UInt64> {
  static var number: Self { Self(.number) { value throws(SpecError) in try value.number() } }
}
extension SpecType<Int> {
  static var number: Self { Self(.number) { value throws(SpecError) in Int(try value.number()) } }
}
extension SpecType<ByteSize> {
  static var size: Self { Self(.size) { value throws(SpecError) in try value.size() } }
}
extension SpecType<DiskSize> {
  static var diskSize: Self { Self(.diskSize) { value throws(SpecError) in try value.diskSize() } }
}
extension SpecType<GUID> {
  static var guid: Self { Self(.guid) { value throws(SpecError) in try value.guid() } }
}
extension SpecType<FilesystemKind> {
  static var filesystem: Self { Self(.filesystem) { value throws(SpecError) in try value.filesystem() } }
}
extension SpecType<ChannelCopy> {
  static var channel: Self { Self(.channel) { value throws(SpecError) in try value.channel() } }
}
extension SpecType<ContentEntry> {
  static var content: Self {
    Self(.object(ContentEntry.fields)) { value throws(SpecError) in try value.content() }
  }
}
extension SpecType<PartitionEntry> {
  static var partition: Self {
    Self(.object(PartitionEntry.fields)) { value throws(SpecError) in try value.partition() }
  }
}
extension SpecType<SecureBootSpec> {
  static var secureBoot: Self {
    Self(.object(SecureBootSpec.fields)) { value throws(SpecError) in try value.secureBoot() }
  }
}

extension SpecKey {
  /// Every key of a spec, in the order of the help.
  package static let all =
    systemKeys + diskKeys + partitionKeys + contentKeys + firmwareKeys + secureBootKeys + machineKeys
    + outputKeys + hookKeys

  private static let systemKeys = [
    SpecKey(
      "system", \.system, .path, .system, shortFor: "systems",
      "Store path of the NixOS system (config.system.build.toplevel), or a link to it.",
      details:
        "In a chroot store (`nix --store ROOT`) its path there, as `/mnt/nix/store/…`; the image is then made "
        + "from that store and its database. Short for `systems` with one item."),
    SpecKey(
      "systems", \.severalSystems, .list(of: .path), .system, flag: "system",
      "Store path of a NixOS system (config.system.build.toplevel), or a link to it: the first is generation 1.",
      details: "See [generations](#generations)."),
    SpecKey(
      "currentGeneration", \.currentGeneration, .number, .system, default: .words("the last"),
      "Number of the generation that boots by default.", details: "See [generations](#generations)."),
    SpecKey(
      "profile", \.profile, .text, .system, default: .value(.text(Generations.systemProfile)),
      "Name of the profile that the generations are of, as of nixos-rebuild --profile-name.",
      details: "See [generations](#generations)."),
    SpecKey(
      "closureInfo", \.closureInfo, .path, .system, default: .words("the Nix database of this machine"),
      "Folder with registration and store-paths, as closureInfo of nixpkgs makes it."),
    SpecKey(
      "additionalPaths", \.additionalPaths, .list(of: .path), .system,
      "Store path to install as well, with its closure.",
      details: "A path inside a store object stands for the whole object."),
    SpecKey(
      "copyChannel", \.copyChannel, .channel, .system, default: .words("none"),
      "Store path of the channel that root gets.", details: "See [channel](#channel)."),
    SpecKey(
      "installBootLoader", \.installBootLoader, .flag, .system,
      default: .words("yes; no for a Nix store alone"),
      "Run the system's switch-to-configuration boot."),
    SpecKey(
      "grubDevice", \.grubDevice, .oneOrMore(.path), .system, default: .words("the guest's /dev/vda"),
      "The system's boot.loader.grub.device; the disk has this name during the installation.",
      details: "Of several devices it has all the names."),
    SpecKey(
      "onlyNixStore", \.onlyNixStore, .flag, .system, default: .value(.flag(false)),
      "Make a filesystem with the store paths at its root, and nothing else; starts no VM.",
      details: "See [a Nix store alone](#a-nix-store-alone)."),
    SpecKey(
      "store", \.store, .choice, .system, default: .value(.text("image")),
      "Where the Nix store is: in the image, or with the host, so that the image has the boot partitions alone.",
      details: "See [boot partitions alone](#boot-partitions-alone)."),
  ]

  private static let diskKeys = [
    SpecKey(
      "diskSize", \.diskSize, .diskSize, .disk, default: .value(.text("auto")),
      "Size of the disk: auto, a number of MiB, or a size such as 4G, in whole MiB."),
    SpecKey(
      "additionalSpace", \.additionalSpace, .size, .disk, default: .words("512M; 0M for a Nix store alone"),
      "Space that root can still write to after the installation, when the disk size is auto."),
    SpecKey(
      "sectorSize", \.sectorSize, .number, .disk, default: .value(.number(512)),
      "Bytes in a sector of the disk, 512 or 4096.", details: "See [below](#sectors-of-4096-bytes)."),
    SpecKey(
      "deterministic", \.deterministic, .flag, .disk, default: .value(.flag(true)),
      "Same bytes in each build; else each build has identifiers and times of its own.",
      details: "See [reproducibility](reproducibility.md)."),
    SpecKey(
      "seed", \.seed, .guid, .disk, default: .words("from the system's store path"),
      "GUID from which every other GUID and UUID is derived."),
    SpecKey(
      "rootGPUID", \.rootGPUID, .guid, .disk, default: .words("from the seed"),
      "GUID of the root partition."),
    SpecKey(
      "rootFSUID", \.rootFSUID, .guid, .disk, default: .words("from the seed"),
      "UUID of the root filesystem."),
  ]

  private static let partitionKeys = [
    SpecKey(
      "partitionTableType", \.partitionTableType, .choice, .partitions,
      default: .words("efi; none for a Nix store alone"), "Partition layout.",
      details: "See [partition tables](#partition-tables)."),
    SpecKey(
      "bootSize", \.bootSize, .size, .partitions,
      default: .words("256M; with sectors of 4096 bytes 268M, and 528M for efixbootldr"),
      "End offset on the disk of the boot partition: of XBOOTLDR with efixbootldr, else of the ESP.",
      details: "As in make-disk-image."),
    SpecKey(
      "espMountPoint", \.espMountPoint, .path, .partitions,
      default: .words("/efi with efixbootldr, else /boot"),
      "Mount point of the ESP: the system's boot.loader.efi.efiSysMountPoint.",
      details: "See [partition tables](#partition-tables)."),
    SpecKey(
      "swapSize", \.swapSize, .size, .partitions, default: .words("no swap partition"),
      "Size of a swap partition, in whole MiB."),
    SpecKey(
      "partitions", \.partitions, .list(of: .partition), .partitions,
      "Further partition with a filesystem.", details: "See [below](#swap-and-further-partitions)."),
    SpecKey(
      "fsType", \.fsType, .filesystem, .partitions, default: .value(.text("ext4")),
      "Root filesystem: ext4, xfs, btrfs, f2fs, ext3, ext2, or another; ext4, squashfs or erofs for a Nix store "
        + "alone.", details: "See [root filesystems](#root-filesystems)."),
    SpecKey(
      "mkfsOptions", \.mkfsOptions, .list(of: .text), .partitions, flag: "mkfs-option",
      "Extra mkfs argument for the root filesystem.", details: "See [root filesystems](#root-filesystems)."),
    SpecKey(
      "label", \.label, .text, .partitions, default: .words("nixos; nix-store for a Nix store alone"),
      "Label of the root filesystem.",
      details: "At most 16 bytes for ext2 to ext4, 12 for xfs, 255 for btrfs, 512 for f2fs."),
  ]

  private static let contentKeys = [
    SpecKey(
      "contents", \.contents, .list(of: .content), .contents,
      "File or folder of this machine to put into the image.", details: "See [contents](#contents)."),
    SpecKey(
      "configFile", \.configFile, .path, .contents,
      "File that becomes /etc/nixos/configuration.nix."),
    SpecKey(
      "extraFiles", \.extraFiles, .list(of: .content), .contents, flag: "extra-file",
      "File or folder that must not be in a Nix store, such as a key: mode 0600, and its content is never logged.",
      details: "See [extra files](#extra-files)."),
  ]

  private static let firmwareKeys = [
    SpecKey(
      "touchEFIVars", \.touchEFIVars, .flag, .firmware, default: .words("yes with an ESP, else no"),
      "Let the bootloader write EFI variables."),
    SpecKey(
      "efiFirmware", \.efiFirmware, .path, .firmware, default: .words("what QEMU's descriptors name"),
      "Firmware code, raw or qcow2; its variable store template is needed as well."),
    SpecKey(
      "efiVariables", \.efiVariables, .path, .firmware, default: .words("what QEMU's descriptors name"),
      "Variable store template that belongs to the firmware code, raw or qcow2."),
    SpecKey(
      "OVMF", \.ovmf, .path, .firmware,
      "Folder with FV/OVMF_CODE.fd and FV/OVMF_VARS.fd, instead of both, such as OVMF.fd of nixpkgs."),
    SpecKey(
      "efiFirmwareNeedsSMM", \.efiFirmwareNeedsSMM, .flag, .firmware,
      default: .words("by the firmware's descriptor or name"),
      "Whether the firmware hangs without system management mode.",
      details: "See [firmware](../ovmf/README.md)."),
    SpecKey(
      "efiVarsForm", \.efiVarsForm, .choice, .firmware, default: .value(.text("canonical")),
      "Form of the exported EFI variable store; raw has the firmware's own bytes.",
      details: "See [EFI variables](#efi-variables)."),
    SpecKey(
      "stripFirmwareVariables", \.stripFirmwareVariables, .flag, .firmware, default: .value(.flag(false)),
      "Leave out of the exported EFI variable store what the firmware creates again at its next boot.",
      details: "See [EFI variables](#efi-variables)."),
  ]

  private static let secureBootKeys = [
    SpecKey(
      "secureBoot", \.secureBoot, .secureBoot, .secureBoot,
      "Keys to enroll in the firmware and to sign the bootloader with.",
      details: "See [Secure Boot](secure-boot.md).", merge: { $0.overridden(by: $1) })
  ]

  private static let machineKeys = [
    SpecKey(
      "memSize", \.memSize, .number, .machine, default: .value(.number(1024)),
      "Memory of the VM that installs, in MiB."),
    SpecKey(
      "cpus", \.cpus, .number, .machine, default: .value(.number(2)),
      "Processors of the VM that installs.",
      details: "More than twice those of this host, and more than 2, come with a warning and are not given."),
  ]

  private static let outputKeys = [
    SpecKey(
      "baseName", \.baseName, .text, .output, default: .value(.text("nixos")),
      "File name of the image, without its extension."),
    SpecKey(
      "format", \.format, .oneOrMore(.choice), .output, default: .value(.text("raw")),
      "Format of the image.", details: "One of the [formats](#formats), or several of one disk in one build."),
  ]

  private static let hookKeys = [
    SpecKey(
      "preVM", \.preVM, .script, .hooks, "Shell script that this machine runs before the VM starts.",
      details: "See [scripts](#scripts)."),
    SpecKey(
      "postInstall", \.postInstall, .script, .hooks,
      "Shell script to run in the installed system.", details: "See [scripts](#scripts)."),
    SpecKey(
      "postVM", \.postVM, .script, .hooks,
      "Shell script that this machine runs when the images are made.", details: "See [scripts](#scripts)."),
  ]
}

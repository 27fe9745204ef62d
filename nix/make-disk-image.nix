# Builds a bootable image of a NixOS system with Slipway, as a derivation. It takes the arguments of nixpkgs'
# nixos/lib/make-disk-image.nix by their names and with their defaults, and gives the same file names in $out; the
# arguments that only Slipway has follow below those. README.md is the manual.
let
  # Filesystems that have neither a label nor free space.
  isReadOnly = kind: kind == "squashfs" || kind == "erofs";
in
{ pkgs
, lib
  # The evaluated NixOS system.
, config ? builtins.head generations.configs

  # The disk: "auto", or a number of MiB. `additionalSpace` is what stays free with "auto".
, diskSize ? "auto"
, additionalSpace ? if isReadOnly fsType then null else "512M"
  # Where the boot partition ends, not how large it is.
, bootSize ? "256M"
, partitionTableType ? "legacy"
, fsType ? "ext4"
, label ? if isReadOnly fsType then null else if onlyNixStore then "nix-store" else "nixos"

  # What goes in beside the system: a list of { source, target, mode, user, group }, where the last three may be
  # left out, but `user` and `group` only both.
, contents ? [ ]
, configFile ? null
, copyChannel ? true
, additionalPaths ? [ ]
  # The store paths at the root of a filesystem, and nothing else.
, onlyNixStore ? false

  # The bootloader, and the firmware of the machine that installs it.
, installBootLoader ? true
, touchEFIVars ? false
, OVMF ? pkgs.OVMF.fd
, efiFirmware ? OVMF.firmware
, efiVariables ? OVMF.variables
, memSize ? 1024

  # The output.
, name ? "nixos-disk-image"
, baseName ? "nixos"
, format ? "raw"
, postVM ? ""

  # Identifiers and times. Without `deterministic` each build has its own, and no two are the same bytes.
, deterministic ? true
, rootGPUID ? "F222513B-DED1-49FA-B591-20CE86A2FE7F"
, rootFSUID ? if fsType == "ext4" then rootGPUID else null
  # Without effect, as there is one way to fill a root, and it always makes the same bytes; checked all the same.
, reproducible ? false
, populateRootWith ? if reproducible then "mke2fs" else "cptofs"
, rootFSHashSeed ? rootFSUID

  # From here on, what only Slipway has.
  #
  # A package with bin/slipway and libexec/slipway/slipway-agent.
, slipway ? pkgs.slipway
  # What Slipway runs, and what it puts into the machine that installs.
, tools ? import ./tools.nix { inherit pkgs; }
  # The kernel of the machine that installs; the image has the system's own.
, kernel ? pkgs.linux
, kernelImage ? "${kernel}/bzImage"
, kernelModules ? "${lib.getOutput "modules" kernel}/lib/modules/${kernel.modDirVersion}"
, cpus ? 2
  # What warm-machine.nix made, for the machine that installs to start from; it must be of the same machine.
, warmMachine ? null
  # Several systems in the place of `config`: what generations.nix makes of them.
, generations ? null
  # More hooks, and more formats than one: see the reference.
, preVM ? ""
, postInstall ? ""
, formats ? [ ]
  # Any other key of the spec, and any other flag of `slipway build`.
, extraSpec ? { }
, extraFlags ? [ ]
  # Boots the result, which is not kept when it does not start.
, verify ? false
  # [ "kvm" ] has the build done only where there is KVM. Without it KVM is used where it is, and emulation elsewhere.
, requiredSystemFeatures ? [ ]
  # An image is used without the store that it was made of; a file that `postVM` adds may not be.
, discardReferences ? postVM == ""
}:

let
  inherit (import ./lists.nix) layouts;
  inherit (layouts.${partitionTableType}) allowsEFIVariables hasBootPartition hasESP;
  # What mke2fs makes.
  isExt = lib.elem fsType [ "ext2" "ext3" "ext4" ];
  # Whether the disk has a root with identifiers of its own.
  hasRoot = (extraSpec.store or "image") != "host";
  # A user or a group without the other.
  isHalfOwned = entry: ((entry.user or null) == null) != ((entry.group or null) == null);
in

# Each contradiction that can be seen here is refused here, and again by `slipway build`.
assert lib.assertOneOf "partitionTableType" partitionTableType (builtins.attrNames layouts);
assert lib.assertMsg (fsType == "ext4" && deterministic -> rootFSUID != null)
  "rootFSUID: a deterministic image with ext4 needs one; leave it out, and it is rootGPUID.";
assert lib.assertOneOf "populateRootWith" populateRootWith [ "cptofs" "mke2fs" ];
assert lib.assertMsg (populateRootWith == "mke2fs" -> isExt)
  "populateRootWith: mke2fs fills a root of ext2, ext3 or ext4 only, and fsType is '${fsType}'.";
assert lib.assertMsg (reproducible -> deterministic && populateRootWith == "mke2fs")
  "reproducible: it needs deterministic, and a root that is filled with mke2fs; leave populateRootWith out.";
assert lib.assertMsg (touchEFIVars -> allowsEFIVariables)
  "touchEFIVars: a disk with the partition table '${partitionTableType}' is not booted by EFI; use efi, efixbootldr, hybrid or legacy+gpt.";
assert lib.assertMsg (onlyNixStore -> contents == [ ])
  "contents: an image of a Nix store only has nothing else.";
assert lib.assertMsg (onlyNixStore -> configFile == null)
  "configFile: an image of a Nix store only has nothing else.";
assert lib.assertMsg (onlyNixStore -> !installBootLoader)
  "installBootLoader: an image of a Nix store only has no bootloader; set it to false.";
assert lib.assertMsg (!lib.any isHalfOwned contents)
  "contents: an entry has only one of user and group; give both, or neither.";
assert lib.assertMsg (discardReferences -> postVM == "")
  "discardReferences: what postVM adds may need the store paths that it names.";
assert lib.assertMsg (generations != null -> !onlyNixStore)
  "generations: an image of a Nix store only has none; additionalPaths is for further store paths.";

let
  configs = if generations == null then [ config ] else generations.configs;
  toplevels = map (config: config.system.build.toplevel) configs;

  # A nix-channel named nixos, of the nixpkgs that `pkgs` is from.
  channel = pkgs.runCommand "nixos-${config.system.nixos.version}" { } ''
    mkdir $out
    cp -R --preserve=mode,timestamps,links ${lib.cleanSource pkgs.path} $out/nixos
    chmod -R u+w $out/nixos
    rm -rf $out/nixos/.git
    test -e $out/nixos/nixpkgs || ln -s . $out/nixos/nixpkgs
    printf %s ${lib.escapeShellArg config.system.nixos.versionSuffix} > $out/nixos/.version-suffix
  '';

  closure = pkgs.closureInfo {
    rootPaths = lib.unique (toplevels ++ lib.optional copyChannel channel ++ additionalPaths);
  };

  # The disk's names in the configuration of bootloaders for a BIOS, where they are devices and not the installing
  # machine's.
  devicesOf = config:
    let
      loader = config.boot.loader;
      limine = loader.limine or { };
    in
    lib.optionals (loader.grub.enable or false) ([ (loader.grub.device or "") ] ++ loader.grub.devices or [ ])
    ++ lib.optional (limine.enable or false && limine.biosSupport or false) (limine.biosDevice or "");
  biosDevices = lib.unique
    (lib.filter (device: lib.hasPrefix "/dev/" device && device != "/dev/vda") (builtins.concatMap devicesOf configs));

  # The ESP's mount point, where it is another than the layout's. One that is XBOOTLDR's is left to the layout.
  espMountPoints = lib.unique (map (config: config.boot.loader.efi.efiSysMountPoint or "/boot") configs);
  espMountPoint = assert lib.assertMsg (builtins.length espMountPoints == 1)
    "generations: all need one boot.loader.efi.efiSysMountPoint, and not ${toString espMountPoints}.";
    lib.head espMountPoints;
  isUsualESP = espMountPoint == "/boot" || (partitionTableType == "efixbootldr" && espMountPoint == "/efi");

  # "${…}" makes a store path of a path, and keeps what a text refers to.
  content = entry: {
    source = "${entry.source}";
    target = if lib.hasPrefix "/" entry.target then entry.target else "/${entry.target}";
  } // lib.mapAttrs (field: toString)
    (lib.filterAttrs (field: value: lib.elem field [ "mode" "user" "group" ] && value != null && value != "") entry);

  spec = lib.filterAttrs (key: value: value != null) ({
    system = if generations == null then "${lib.head toplevels}" else null;
    systems = if generations == null then null else map (toplevel: "${toplevel}") toplevels;
    currentGeneration = generations.current or null;
    profile = generations.profile or null;
    closureInfo = "${closure}";
    format = if formats == [ ] then format else formats;
    inherit baseName partitionTableType fsType label diskSize memSize cpus onlyNixStore installBootLoader;
    # A size that is fixed leaves nothing to be added to it.
    additionalSpace = if diskSize == "auto" then additionalSpace else null;
    bootSize = if hasBootPartition then bootSize else null;
    espMountPoint = if hasESP && !onlyNixStore && !isUsualESP then espMountPoint else null;
    # Without a bootloader nothing touches them, and the variables are the firmware's template.
    touchEFIVars = touchEFIVars && installBootLoader;
    contents = if contents == [ ] then null else map content contents;
    configFile = if configFile == null then null else "${configFile}";
    additionalPaths = if additionalPaths == [ ] then null else map (path: "${path}") additionalPaths;
    deterministic = if deterministic then null else false;
    rootGPUID = if deterministic && hasRoot then rootGPUID else null;
    rootFSUID = if deterministic && hasRoot then rootFSUID else null;
    grubDevice = if installBootLoader && biosDevices != [ ] then biosDevices else null;
    copyChannel = if copyChannel then "${channel}" else null;
    preVM = if preVM == "" then null else preVM;
    postInstall = if postInstall == "" then null else postInstall;
    postVM = if postVM == "" then null else postVM;
  } // lib.optionalAttrs (!onlyNixStore && (hasESP || touchEFIVars)) {
    efiFirmware = "${efiFirmware}";
    efiVariables = "${efiVariables}";
    efiFirmwareNeedsSMM = if OVMF.systemManagementModeRequired or false then true else null;
  }) // extraSpec;

  # make-disk-image has these as attributes of the derivation, which `overrideAttrs` changes.
  attributes = [ "memSize" "preVM" "postVM" ];
  specFile = pkgs.writeText "${name}.json" (builtins.toJSON (builtins.removeAttrs spec attributes));
in
pkgs.runCommand name
  {
    # Structured attributes are what lets Nix discard references; a Nix that does not know it keeps them.
    __structuredAttrs = true;
    unsafeDiscardReferences.out = discardReferences;
    nativeBuildInputs = [ slipway ] ++ tools;
    inherit requiredSystemFeatures;
    inherit (spec) memSize;
    preVM = spec.preVM or "";
    postVM = spec.postVM or "";
    # Further words for QEMU, as a shell reads them.
    QEMU_OPTS = "";
    passthru = { inherit spec specFile closure; };
  } ''
  # A build has no home, and slipway keeps its caches in one.
  export HOME="$NIX_BUILD_TOP" XDG_CACHE_HOME="$NIX_BUILD_TOP/.cache" XDG_CONFIG_HOME="$NIX_BUILD_TOP/.config"
  flags=(--mem-size "$memSize")
  # A script starts where make-disk-image's do: beside $out, so that what it leaves there is no output.
  addScript() {
    [ -n "$3" ] || return 0
    printf 'cd "$NIX_BUILD_TOP"\n%s\n' "$3" > "$NIX_BUILD_TOP/$2"
    flags+=("$1" "$NIX_BUILD_TOP/$2")
  }
  addScript --pre-vm pre-vm.sh "$preVM"
  addScript --post-vm post-vm.sh "$postVM"
  ${lib.optionalString (warmMachine != null) ''
    mkdir -p "$XDG_CACHE_HOME/slipway"
    ln -s ${warmMachine} "$XDG_CACHE_HOME/slipway/warm"
  ''}
  eval "words=($QEMU_OPTS)"
  for word in "''${words[@]}"; do flags+=(--qemu-arg "$word"); done
  slipway build ${specFile} "''${flags[@]}" --out "$out" --keep-log "$NIX_BUILD_TOP/slipway.failed.log" --progress plain ${lib.escapeShellArgs
    (lib.optionals (!onlyNixStore) [ "--kernel" kernelImage "--modules" kernelModules ]
      # What this build would save, no other sees.
      ++ lib.optionals (warmMachine == null) [ "--start" "cold" ]
      ++ lib.optional verify "--verify" ++ extraFlags)}
  # Times of this build: they would make each build of one derivation another.
  mv "$out/log" "$NIX_BUILD_TOP/slipway-log"
''

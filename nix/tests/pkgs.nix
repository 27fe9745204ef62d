# As much of nixpkgs as ../make-disk-image.nix uses, out of the programs of the host: its builds see those by Nix's
# `sandbox-paths`. `slipway` is the folder that slipway was installed into.
{ slipway, kernel, kernelModules }:
let
  # Nix leaves its structured attributes as a file of bash. Debian has bash in /bin, NixOS does not.
  builder = name: attributes: script: derivation ({
    inherit name;
    system = builtins.currentSystem;
    builder = "/bin/bash";
    args = [ "-euc" ''
      # In its first folder. Debian's Nix 2.8 has another in NIX_ATTRS_SH_FILE, which is not in the sandbox.
      . ./.attrs.sh
      export out="''${outputs[out]}"
      # What has inputs finds them and nothing else, as in nixpkgs.
      PATH=
      for input in "''${nativeBuildInputs[@]}"; do PATH="$PATH$input/bin:"; done
      export PATH="''${PATH:-/usr/bin:/bin:/usr/sbin:/sbin}"
      ${script}
    '' ];
    __structuredAttrs = true;
    nativeBuildInputs = [ ];
  } // attributes);

  # A package: a store path whose programs are links to the host's.
  programs = name: list: builder name { } ''
    mkdir -p $out/bin
    for program in ${toString list}; do
      path=$(command -v $program)
      ln -s $path $out/bin/$program
    done
  '';
in
rec {
  lib = import ./lib.nix;

  # The packages of ../tools.nix, each with those of its programs that are called, or that a hook may well call.
  qemu_kvm = programs "qemu" [ "qemu-system-x86_64" "qemu-img" ];
  kmod = programs "kmod" [ "kmod" "depmod" "modprobe" ];
  util-linux = programs "util-linux" [ "sfdisk" "mkswap" "blkid" "blockdev" ];
  mtools = programs "mtools" [ "mdir" "mcopy" "mtype" "mmd" ];
  zstd = programs "zstd" [ "zstd" ];
  squashfsTools = programs "squashfs-tools" [ "mksquashfs" ];
  erofs-utils = programs "erofs-utils" [ "mkfs.erofs" ];
  bash = programs "bash" [ "bash" "sh" ];
  coreutils = programs "coreutils" [
    "basename" "cat" "chmod" "chown" "chroot" "cp" "cut" "date" "dd" "dirname" "du" "env" "head" "id" "ln" "ls"
    "mkdir" "mktemp" "mv" "numfmt" "od" "readlink" "realpath" "rm" "rmdir" "sha256sum" "sleep" "sort" "stat" "sync"
    "tail" "tee" "touch" "tr" "truncate" "uname" "wc"
  ];
  gnugrep = programs "gnugrep" [ "grep" ];
  e2fsprogs = programs "e2fsprogs" [ "mke2fs" "e2fsck" "mkfs.ext4" ];
  dosfstools = programs "dosfstools" [ "mkfs.fat" "mkfs.vfat" ];
  xfsprogs = programs "xfsprogs" [ "mkfs.xfs" ];
  btrfs-progs = programs "btrfs-progs" [ "mkfs.btrfs" ];
  f2fs-tools = programs "f2fs-tools" [ "mkfs.f2fs" ];
  stdenv.cc.libc = programs "glibc-bin" [ "ldd" ];
  stdenv.hostPlatform.system = builtins.currentSystem;
  pkgsStatic.busybox = programs "busybox" [ "busybox" ];
  gnutar = programs "gnutar" [ "tar" ];
  gzip = programs "gzip" [ "gzip" ];
  xz = programs "xz" [ "xz" ];
  gnused = programs "gnused" [ "sed" ];
  findutils = programs "findutils" [ "find" "xargs" ];
  diffutils = programs "diffutils" [ "cmp" "diff" ];
  # Not on every host, and called by hooks alone.
  parted = programs "parted" [ ];
  gptfdisk = programs "gptfdisk" [ ];
  rsync = programs "rsync" [ ];
  bzip2 = programs "bzip2" [ ];
  gawk = programs "gawk" [ ];

  runCommand = name: attributes: script:
    builder name (builtins.removeAttrs attributes [ "passthru" ]) script // (attributes.passthru or { }) // {
      overrideAttrs = change: runCommand name (attributes // change attributes) script;
    };

  writeText = name: text: builder name { inherit text; } ''printf %s "$text" > $out'';

  # The same files as nixpkgs' in the same format: hashes in base 32 with their type, no derivers.
  closureInfo = { rootPaths }: builder "closure-info" { exportReferencesGraph.closure = rootPaths; } ''
    mkdir $out
    python3 ${../../Tests/Systems/nixpkgs/closure-info.py} .attrs.json $out
  '';

  OVMF.fd = {
    firmware = "/usr/share/OVMF/OVMF_CODE_4M.fd";
    variables = "/usr/share/OVMF/OVMF_VARS_4M.fd";
  };
  inherit slipway;

  # Where a channel would be made of.
  path = ./channel;

  # Arguments of make-disk-image.nix that have no meaning on Debian.
  debian = {
    kernelImage = kernel;
    inherit kernelModules;
  };
}

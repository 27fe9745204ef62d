# What Slipway runs on the host, and what it copies into the machine that installs, out of nixpkgs.
{ pkgs }:
with pkgs; [
  qemu_kvm
  coreutils
  gnugrep
  util-linux
  kmod
  e2fsprogs
  dosfstools
  xfsprogs
  btrfs-progs
  f2fs-tools
  mtools
  squashfsTools
  erofs-utils
  # What the formats raw.zst and raw.tar.gz are packed with; with xz, what unpacks kernel modules.
  zstd
  gnutar
  xz
  gzip
  # ldd, which tells the libraries of what goes into that machine.
  (lib.getBin stdenv.cc.libc)
  # Linked statically: its shell is there when nothing else works.
  pkgsStatic.busybox
]

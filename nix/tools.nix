# What Slipway runs on the host, and what it copies into the machine that installs, out of nixpkgs. The programs are those of
# ExternalTool.swift, and a test holds this list against that one.
{ pkgs }:
with pkgs; [
  qemu_kvm
  kmod
  util-linux
  mtools
  zstd
  gnutar
  gzip
  xz
  squashfsTools
  erofs-utils
  bash
  coreutils
  gnugrep
  e2fsprogs
  dosfstools
  xfsprogs
  btrfs-progs
  f2fs-tools
  # ldd, which tells the libraries of what goes into that machine.
  (lib.getBin stdenv.cc.libc)
] ++ import ./hook-tools.nix { inherit pkgs; } ++ [
  # Linked statically: its shell is there when nothing else works. The last, as it has a tar, a gzip and more of its own,
  # which take fewer options than those that scripts know.
  pkgsStatic.busybox
]

# What scripts that are written for make-disk-image's builder find there, beside the programs of ./tools.nix.
{ pkgs }:
with pkgs; [
  parted
  gptfdisk
  rsync
  bzip2
  gnused
  gawk
  findutils
  diffutils
]

# What Slipway runs on the host, and what it copies into the machine that installs, out of nixpkgs.
{ pkgs }:
let
  inherit (import ./lists.nix) packages;
  # "a.b" is b of a.
  package = name: builtins.foldl' (set: part: set.${part}) pkgs
    (builtins.filter builtins.isString (builtins.split "\\." name));
  busybox = "pkgsStatic.busybox";
in
# ldd is not in the first output of its package.
map (name: pkgs.lib.getBin (package name)) (builtins.filter (name: name != busybox) packages)
++ import ./hook-tools.nix { inherit pkgs; } ++ [
  # Linked statically: its shell is there when nothing else works. The last, as it has a tar, a gzip and more of its own,
  # which take fewer options than those that scripts know.
  (package busybox)
]

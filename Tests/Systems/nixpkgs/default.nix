# A package set in nixpkgs' shape, made of Debian 13's binaries: as much of it as NixOS's modules and nix/ ask for.
# `nixpkgs` is a checkout of nixpkgs, whose lib is used; without one `lib` is given.
{ debs, manifest, nixpkgs ? null, lib ? import (nixpkgs + "/lib"), overlays ? [ ] }:
let
  debian = import ../debian {
    lib = import ../lib.nix;
    inherit debs manifest;
    groups = import ./groups.nix;
    shape = "nixpkgs";
  };
  base = self: import ./packages.nix { inherit lib debian nixpkgs self; };
  compose = overlays:
    let
      self = builtins.foldl' (previous: overlay: previous // overlay self previous) (base self) overlays // {
        inherit overlays;
        appendOverlays = more: compose (overlays ++ more);
        extend = overlay: compose (overlays ++ [ overlay ]);
      };
    in
    self;
in
compose overlays

# An image of a system that is in the store already, as a configuration would give it.
{ system, slipway, kernel, kernelModules, format ? "qcow2", more ? { } }:
let
  lib = import ./lib.nix;
  pkgs = import ./pkgs.nix { inherit slipway kernel kernelModules; };
in
import ../make-disk-image.nix ({
  inherit pkgs lib format;
  config = {
    system.build.toplevel = builtins.storePath system;
    system.nixos = { version = "24.11"; versionSuffix = ""; };
    boot.loader.grub.enable = false;
  };
  partitionTableType = "efi";
  touchEFIVars = true;
  # What is left beside $out is no output.
  postVM = ''test -s "$diskImage"; cp "$efiVars" "$out/copy.fd"; echo $(sectorsToBytes 2) > left'';
  additionalSpace = "64M";
} // pkgs.debian // more)

# An image of a system that is in the store already, as a configuration would give it, with the packages of the set in
# nixpkgs' shape.
{ system, slipway, debs, manifest, format ? "qcow2", more ? { } }:
let
  lib = import ./lib.nix;
  pkgs = import ../../Tests/Systems/nixpkgs { inherit lib debs manifest; };
  image = import ../make-disk-image.nix ({
    inherit pkgs lib slipway format;
    config = {
      system.build.toplevel = builtins.storePath system;
      system.nixos = { version = "24.11"; versionSuffix = ""; };
      boot.loader.grub.enable = false;
    };
    copyChannel = false;
    partitionTableType = "efi";
    touchEFIVars = true;
    # What is left beside $out is no output.
    postVM = ''test -s "$diskImage"; cp "$efiVars" "$out/copy.fd"; echo $(sectorsToBytes 2) > left'';
    additionalSpace = "64M";
  } // more);
in
image // {
  # What the build of the image needs, as one path: a test copies it into the store of a user who cannot build it.
  inputs = pkgs.writeText "inputs" (toString (
    import ../tools.nix { inherit pkgs; } ++ pkgs.stdenv.initialPath
      ++ [ pkgs.stdenv.shell pkgs.linux pkgs.linux.modules pkgs.OVMF.fd image.closure image.specFile pkgs.packageGraph ]));
}

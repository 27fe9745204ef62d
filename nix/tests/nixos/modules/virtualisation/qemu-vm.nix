# As much of nixpkgs' module of that name as ../../../../qemu-vm.nix stands in for: options, and how it has its image made.
{ config, lib, pkgs, ... }:
let
  cfg = config.virtualisation;
  option = default: lib.mkOption { inherit default; };
in
{
  options.virtualisation = {
    useBootLoader = option true;
    useDefaultFilesystems = option true;
    useEFIBoot = option true;
    diskSize = option 1024;
    additionalPaths = option [ config.system.build.toplevel ];
    host.pkgs = option pkgs;
    efi = option {
      OVMF = { };
      firmware = "/f/CODE.fd";
      variables = "/f/VARS.fd";
    };
  };
  config.system.build.systemImage = import ../../lib/make-disk-image.nix {
    inherit pkgs config lib;
    additionalPaths = [ "/registration" ];
    format = "qcow2";
    onlyNixStore = false;
    label = "nixos";
    partitionTableType =
      if !cfg.useDefaultFilesystems then "none" else if cfg.useEFIBoot then "efi" else "legacy";
    installBootLoader = cfg.useBootLoader && cfg.useDefaultFilesystems;
    touchEFIVars = cfg.useEFIBoot;
    diskSize = "auto";
    additionalSpace = "0M";
    copyChannel = false;
    inherit (cfg.efi) OVMF;
  };
  config.system.build.common = import ../../lib/qemu-common.nix;
}

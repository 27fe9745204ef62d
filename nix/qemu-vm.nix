# nixpkgs' module nixos/modules/virtualisation/qemu-vm.nix, in whose place it is imported, with a system image that Slipway
# builds: what a machine with `virtualisation.useBootLoader` starts from. Its options are that module's, and
# `virtualisation.slipway`. README.md says what it can do, and what it cannot.
{ config, lib, pkgs, modulesPath, ... }:

let
  cfg = config.virtualisation.slipway;
  vm = config.virtualisation;
  file = modulesPath + "/virtualisation/qemu-vm.nix";

  # The image is not an option of that module: it is what this file of nixpkgs makes. So the module is evaluated as it is,
  # with another function in the place of that one.
  make = "make-disk-image.nix";
  imported = path: if baseNameOf path == make then systemImage (import path) else import path;

  systemImage = makeDiskImage: arguments:
    if !cfg.enable then makeDiskImage arguments
    # The start script makes an empty disk then, and takes the variables alone.
    else if !vm.useDefaultFilesystems then
      pkgs.runCommand "efi-vars" { } ''
        mkdir $out
        cp ${vm.efi.variables} $out/efi-vars.fd
      ''
    else
      import ./make-disk-image.nix (arguments // {
        slipway = cfg.package;
        efiFirmware = vm.efi.firmware;
        efiVariables = vm.efi.variables;
        # nixpkgs asks for "0M", as its sizes are generous. Here they are exact, and a machine needs room in its root.
        additionalSpace = "256M";
      } // lib.optionalAttrs hasHostStore {
        partitionTableType = if vm.useEFIBoot then "efi" else "legacy+boot";
        additionalSpace = null;
      } // cfg.arguments // lib.optionalAttrs hasHostStore {
        extraSpec = {
          store = "host";
          # An empty root, as the start script makes it for a machine without a bootloader; its label is that of
          # `virtualisation.rootDevice`. A partition named "root" would be the one that the system is installed to.
          partitions = [{ name = "nixos"; size = "${toString rootSize}M"; fsType = "ext4"; inherit (arguments) label; }];
        } // cfg.arguments.extraSpec or { };
      });

  hasHostStore = cfg.enable && vm.useBootLoader && vm.useDefaultFilesystems && cfg.store == "host";
  # In MiB: what the boot partition and both ends of the table leave.
  rootSize = vm.diskSize - 257;
  closure = "/nix/.closure";
in
{
  disabledModules = [ file ];
  imports = [ (builtins.scopedImport { import = imported; } file) ];

  options.virtualisation.slipway = {
    enable = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = "Whether Slipway builds the system image of `virtualisation.useBootLoader`.";
    };
    store = lib.mkOption {
      type = lib.types.enum [ "image" "host" ];
      default = "image";
      description = ''
        Where the Nix store is: in the image, or with the host. With the latter the image has the boot partitions and an
        empty root, and the machine has the host's store as it has without a bootloader.
      '';
    };
    package = lib.mkOption {
      type = lib.types.package;
      default = pkgs.slipway;
      defaultText = lib.literalExpression "pkgs.slipway";
      description = "The Slipway that builds the image.";
    };
    arguments = lib.mkOption {
      type = lib.types.lazyAttrsOf lib.types.raw;
      default = { };
      example = lib.literalExpression ''{ partitionTableType = "efixbootldr"; cpus = 4; }'';
      description = "Arguments of make-disk-image.nix, which go over those that qemu-vm.nix gives.";
    };
  };

  config = {
    assertions = [
      {
        assertion = cfg.enable -> lib.hasInfix make (builtins.readFile file);
        message = "virtualisation.slipway: qemu-vm.nix of this nixpkgs makes its system image without ${make}, which is what Slipway stands in for. Set virtualisation.slipway.enable to false.";
      }
      {
        assertion = hasHostStore -> rootSize >= 64;
        message = "virtualisation.slipway.store: with \"host\" the boot partition takes 257 MiB of virtualisation.diskSize, and ${toString vm.diskSize} MiB leave no room for a root. Set it to 512 or more.";
      }
    ];

    virtualisation = lib.mkIf hasHostStore {
      mountHostNixStore = lib.mkDefault true;
      bootPartition = lib.mkIf (!vm.useEFIBoot) (lib.mkDefault "/dev/disk/by-label/BOOT");
      # What is registered in the machine's Nix database. A share has no place in the system, so it can name it.
      sharedDirectories.closure = {
        source = "${vm.host.pkgs.closureInfo { rootPaths = vm.additionalPaths; }}";
        target = closure;
        securityModel = "none";
      };
    };

    # GRUB cannot read what the host shares.
    boot.loader.grub.copyKernels = lib.mkIf hasHostStore true;

    # What an installation leaves in a root: the system as the first generation, and its registration.
    boot.postBootCommands = lib.mkIf hasHostStore (''
      if ! [ -e /nix/var/nix/profiles/system ]; then
        mkdir -p /nix/var/nix/profiles
        ln -s "$(readlink /run/booted-system)" /nix/var/nix/profiles/system-1-link
        ln -s system-1-link /nix/var/nix/profiles/system
      fi
    '' + lib.optionalString config.nix.enable ''
      ${config.nix.package.out}/bin/nix-store --load-db < ${closure}/registration
    '');
  };
}

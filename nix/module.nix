# A NixOS module that sets `system.build.image` to an image that Slipway builds. It has the options of nixpkgs'
# nixos/modules/virtualisation/disk-image.nix, in whose place it is imported, and `slipway`. It needs nixpkgs 23.11 or later;
# before 24.11 there is no option for the size of the disk, which is `slipway.arguments.diskSize` then.
{ config, lib, pkgs, modulesPath, ... }:

let
  cfg = config.image;
  inherit (import ./lists.nix) extensions;

  # A file of nixpkgs that declares options, or what stands in for it in a release without it.
  declared = file: options:
    if builtins.pathExists (modulesPath + file) then modulesPath + file else { inherit options; };
  textOption = default: description: lib.mkOption { type = lib.types.str; inherit default description; };
in
{
  imports = [
    # From 25.05 on.
    (declared "/image/file-options.nix" {
      image = {
        baseName = textOption "nixos-image-${config.system.nixos.label}-${pkgs.stdenv.hostPlatform.system}"
          "Name of the image, without its extension.";
        extension = textOption "img" "Extension of the image's name.";
        fileName = textOption "${cfg.baseName}.${cfg.extension}" "Name of the image.";
        filePath = textOption cfg.fileName "Path of the image in `system.build.image`.";
      };
    })
    # From 24.11 on.
    (declared "/virtualisation/disk-size-option.nix" { })
  ];

  options = {
    image.format = lib.mkOption {
      type = lib.types.enum (builtins.attrNames extensions);
      default = "qcow2";
      description = "Format of the image.";
    };
    image.efiSupport = lib.mkOption {
      type = lib.types.bool;
      default = true;
      description = "Whether the image is booted by EFI, or by a BIOS.";
    };
    slipway.package = lib.mkOption {
      type = lib.types.package;
      default = pkgs.slipway;
      defaultText = lib.literalExpression "pkgs.slipway";
      description = "The Slipway that builds the image.";
    };
    slipway.arguments = lib.mkOption {
      type = lib.types.lazyAttrsOf lib.types.raw;
      default = { };
      example = lib.literalExpression ''{ touchEFIVars = true; additionalSpace = "2G"; verify = true; }'';
      description = "Arguments of make-disk-image.nix, which go over those that the other options give.";
    };
  };

  config = {
    boot.loader.grub = lib.mkIf (!cfg.efiSupport) {
      enable = lib.mkOptionDefault true;
      devices = lib.mkDefault [ "/dev/vda" ];
    };
    boot.loader.systemd-boot.enable = lib.mkDefault cfg.efiSupport;
    boot.growPartition = lib.mkDefault true;

    fileSystems = lib.mkImageMediaOverride {
      "/" = {
        device = "/dev/disk/by-label/nixos";
        autoResize = true;
        fsType = config.slipway.arguments.fsType or "ext4";
      };
      ${config.boot.loader.efi.efiSysMountPoint} = lib.mkIf cfg.efiSupport {
        device = "/dev/disk/by-label/ESP";
        fsType = "vfat";
      };
    };

    image.extension = extensions.${cfg.format};
    system.nixos.tags = [ cfg.format ] ++ lib.optional cfg.efiSupport "efi";
    system.build.image = import ./make-disk-image.nix ({
      inherit lib config pkgs;
      # Before 24.11 another module may declare it, with other values.
      diskSize = config.virtualisation.diskSize or "auto";
      inherit (cfg) baseName format;
      slipway = config.slipway.package;
      partitionTableType = if cfg.efiSupport then "efi" else "legacy";
    } // config.slipway.arguments);
  };
}

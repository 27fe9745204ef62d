# Systems of NixOS's own modules, out of a checkout of nixpkgs, with their packages from ../nixpkgs, and how Slipway makes an
# image of each: `flags` for the command line, `image` by nix/make-disk-image.nix; `second` is its next generation. `platforms`
# are the images of NixOS's own modules. `slipway`: where it is installed.
{ nixpkgs, debs, manifest, slipway ? "/usr/local" }:
let
  pkgs = import ../nixpkgs { inherit nixpkgs debs manifest; overlays = [ (_: _: { inherit slipway; }) ]; };
  inherit (pkgs) lib;

  evaluate = evaluateWith pkgs;
  evaluateWith = pkgs: name: modules: import (nixpkgs + "/nixos/lib/eval-config.nix") {
    system = "x86_64-linux";
    inherit pkgs;
    modules = [ ./base.nix { networking.hostName = name; } ] ++ modules;
  };

  esp = mountPoint: { fileSystems.${mountPoint} = { device = "/dev/disk/by-label/ESP"; fsType = "vfat"; }; };
  efi = touch: { imports = [ (esp "/boot") ]; boot.loader.efi.canTouchEfiVariables = touch; };
  systemdBoot = { imports = [ (efi true) ]; boot.loader.systemd-boot.enable = true; };
  grub = device: { boot.loader.grub = { enable = true; inherit device; }; };
  grubEFI = { boot.loader.grub = { enable = true; device = "nodev"; efiSupport = true; }; };

  systems = {
    systemd-boot = { modules = [ systemdBoot ]; image = { partitionTableType = "efi"; touchEFIVars = true; }; };
    specialisation = {
      modules = [ systemdBoot { specialisation.verbose.configuration.boot.consoleLogLevel = 7; } ];
      image = { partitionTableType = "efi"; touchEFIVars = true; };
    };
    systemd-initrd = {
      modules = [ systemdBoot { boot.initrd.systemd.enable = true; } ];
      image = { partitionTableType = "efi"; touchEFIVars = true; };
    };
    untouched = {
      modules = [ (efi false) { boot.loader.systemd-boot.enable = true; } ];
      image = { partitionTableType = "efi"; };
    };
    grub-bios = { modules = [ (grub "/dev/vda") ]; image = { partitionTableType = "legacy"; }; };
    grub-gpt = { modules = [ (grub "/dev/sda") ]; image = { partitionTableType = "legacy+gpt"; }; flags = [ "--grub-device" "/dev/sda" ]; };
    grub-efi = { modules = [ (efi true) grubEFI ]; image = { partitionTableType = "efi"; touchEFIVars = true; }; };
    grub-removable = {
      modules = [ (efi false) grubEFI { boot.loader.grub.efiInstallAsRemovable = true; } ];
      image = { partitionTableType = "efi"; };
    };
    hybrid = {
      modules = [ (efi false) grubEFI { boot.loader.grub = { device = lib.mkForce "/dev/vda"; efiInstallAsRemovable = true; }; } ];
      image = { partitionTableType = "hybrid"; };
      boots = [ "" "--bios" ];
    };
    xbootldr = {
      modules = [
        (esp "/efi")
        {
          fileSystems."/boot" = { device = "/dev/disk/by-label/BOOT"; fsType = "vfat"; };
          boot.loader.efi = { canTouchEfiVariables = true; efiSysMountPoint = "/efi"; };
          boot.loader.systemd-boot = { enable = true; xbootldrMountPoint = "/boot"; };
        }
      ];
      image = { partitionTableType = "efixbootldr"; touchEFIVars = true; };
    };
    rich = {
      modules = [
        systemdBoot
        {
          users.users.alice = { isNormalUser = true; initialPassword = "alice"; extraGroups = [ "wheel" ]; };
          systemd.tmpfiles.rules = [ "d /srv/files 0750 alice users -" "f /srv/files/hello 0640 alice users - hello" ];
          boot.loader.systemd-boot.extraFiles."EFI/extra/file.txt" = pkgs.writeText "file.txt" "an extra file\n";
          fileSystems."/data" = { device = "/dev/disk/by-label/data"; fsType = "ext4"; };
        }
      ];
      image = { partitionTableType = "efi"; touchEFIVars = true; };
      flags = [ "--partitions" "data:64M:ext4:/data:data" ];
      extraSpec.partitions = [{ name = "data"; size = "64M"; fsType = "ext4"; mountPoint = "/data"; label = "data"; }];
    };
  };
  platforms = import ./platforms.nix { inherit lib pkgs evaluateWith; };
in
{
  inherit platforms;
  names = builtins.attrNames systems;
  # Those that are taken to a second generation: one for each way to start.
  generations = [ "systemd-boot" "grub-bios" "grub-efi" ];
  platformNames = builtins.attrNames platforms;
  systems = lib.mapAttrs
    (name: { modules, image, flags ? [ ], boots ? [ "" ], extraSpec ? { } }:
      let system = evaluate name modules; in {
        inherit (system) config;
        inherit (system.config.system.build) toplevel;
        second = (evaluate name (modules ++ [{ boot.kernelParams = [ "generation=2" ]; }])).config.system.build.toplevel;
        inherit boots;
        flags = [ "--partition-table-type" image.partitionTableType ]
          ++ lib.optional (image.touchEFIVars or false) "--touch-efi-vars"
          ++ lib.optional (!(image.touchEFIVars or false)) "--no-touch-efi-vars"
          ++ flags;
        image = import ../../../nix/make-disk-image.nix ({
          inherit pkgs lib extraSpec;
          inherit (system) config;
          name = "image-${name}";
          copyChannel = false;
          additionalSpace = "256M";
        } // image);
      })
    systems;
}

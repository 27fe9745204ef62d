# Virtual machines of NixOS's qemu-vm.nix, out of a checkout of nixpkgs, that start from an image of Slipway's by
# nix/qemu-vm.nix. `machines.NAME.vm` has the start script.
{ nixpkgs, debs, manifest, slipway ? "/usr/local" }:
let
  pkgs = import ../nixpkgs { inherit nixpkgs debs manifest; };
  inherit (pkgs) lib;

  # The host's QEMU and image tool, which this package set has no firmware for.
  qemu = pkgs.runCommand "host-qemu" { } ''
    mkdir -p $out/bin
    ln -s /usr/bin/qemu-img $out/bin/
    ln -s /usr/bin/qemu-system-x86_64 $out/bin/qemu-kvm
  '' // { inherit (pkgs) stdenv; };

  machine = name: store: loader: (import (nixpkgs + "/nixos/lib/eval-config.nix") {
    system = "x86_64-linux";
    inherit pkgs;
    modules = [
      ./base.nix
      ../../../nix/qemu-vm.nix
      loader
      ({ config, ... }: {
        networking.hostName = name;
        virtualisation = {
          # No package, but where it was installed.
          slipway = { enable = true; arguments = { inherit slipway; }; inherit store; };
          useBootLoader = true;
          graphics = false;
          efi.OVMF = pkgs.OVMF.fd;
          host.pkgs = pkgs;
          qemu = { package = qemu; guestAgent.enable = false; };
        };
        # What an installed system can do, wherever its store is.
        systemd.services.report = {
          wantedBy = [ "multi-user.target" ];
          path = [ config.nix.package ];
          serviceConfig.Type = "oneshot";
          script = ''
            trap '[ $? -eq 0 ] || echo "the report failed" > /dev/console' EXIT
            exec 2> /dev/console
            nix-store --check-validity /run/booted-system/
            [ "$(readlink -f /nix/var/nix/profiles/system)" = "$(readlink -f /run/booted-system)" ]
            /run/booted-system/bin/switch-to-configuration boot
            echo "ready: $(stat --file-system --format %T /nix/store)" > /dev/console
          '';
        };
      })
    ];
  }).config;

  efi = {
    virtualisation.useEFIBoot = true;
    boot.loader = { systemd-boot.enable = true; efi.canTouchEfiVariables = true; };
  };
  bios.boot.loader.grub.enable = true;
in
{
  names = [ "vm-image-efi" "vm-host-efi" "vm-image-bios" "vm-host-bios" ];
  machines = lib.mapAttrs (name: config: { inherit (config.system.build) toplevel vm; }) {
    vm-image-efi = machine "vm-image-efi" "image" efi;
    vm-host-efi = machine "vm-host-efi" "host" efi;
    vm-image-bios = machine "vm-image-bios" "image" bios;
    vm-host-bios = machine "vm-host-bios" "host" bios;
  };
}

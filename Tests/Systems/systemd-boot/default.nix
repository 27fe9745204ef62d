# The program that `switch-to-configuration boot` calls: boot.loader.systemd-boot of NixOS.
# `bootctl` is the package that has it: systemd itself, or the one with bootctl alone.
{ lib, packages }:
{ bootctl
, canTouchEfiVariables ? true
, efiSysMountPoint ? "/boot"
, timeout ? 0
, consoleMode ? "keep"
, distroName ? "NixOS"
, sortKey ? "nixos"
}:
lib.script "systemd-boot-builder.sh" (lib.substitute ./builder.sh {
  inherit efiSysMountPoint timeout consoleMode distroName sortKey;
  shell = "${packages.busybox}/bin/sh";
  path = lib.concat ":" (map (p: "${p}/bin") [ packages.flock packages.jq bootctl packages.busybox ]);
  bootctlFlags = if canTouchEfiVariables then "" else "--no-variables";
  loaderFile = "${bootctl}/lib/systemd/boot/efi/systemd-bootx64.efi";
})

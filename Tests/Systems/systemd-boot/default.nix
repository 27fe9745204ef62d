# The program that `switch-to-configuration boot` calls: boot.loader.systemd-boot of NixOS. A toplevel with a uki.efi is
# booted by that.
# `bootctl` is the package that has it: systemd itself, or the one with bootctl alone. `signer`: the package with sbsign,
# for a machine with Secure Boot; the bootloader and kernels are signed with the key that SLIPWAY_SIGN_KEY names.
# `bootCountingTries`: how often an entry may fail, as `bootCounting.tries` of NixOS; null for no counting. The entries of
# a specialisation are not told from its generation's by their order, so a system that counts has none.
{ lib, packages }:
{ bootctl
, canTouchEfiVariables ? true
, efiSysMountPoint ? "/boot"
, xbootldrMountPoint ? null
, timeout ? 0
, consoleMode ? "keep"
, distroName ? "NixOS"
, sortKey ? "nixos"
, signer ? null
, bootCountingTries ? null
}:
lib.script "systemd-boot-builder.sh" (lib.substitute ./builder.sh {
  inherit efiSysMountPoint timeout consoleMode distroName sortKey;
  shell = "${packages.busybox}/bin/sh";
  path = lib.concat ":" (map (p: "${p}/bin") ((if signer == null then [ ] else [ signer ]) ++ [ packages.flock packages.jq bootctl packages.busybox ]));
  tries = if bootCountingTries == null then "" else bootCountingTries;
  signs = if signer == null then "" else "1";
  boot = if xbootldrMountPoint == null then efiSysMountPoint else xbootldrMountPoint;
  bootPath = if xbootldrMountPoint == null then "" else "--boot-path=${xbootldrMountPoint}";
  variables = if canTouchEfiVariables then "" else "--no-variables";
  loaderFile = "${bootctl}/lib/systemd/boot/efi/systemd-bootx64.efi";
})

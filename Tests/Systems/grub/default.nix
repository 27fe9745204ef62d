# The program that `switch-to-configuration boot` calls: boot.loader.grub of NixOS, for BIOS (`device`) or EFI.
{ lib, packages }:
{ device ? "nodev"            # boot.loader.grub.device: GRUB for BIOS goes to the start of this disk
, efiSupport ? false
, canTouchEfiVariables ? true # false: efiInstallAsRemovable
, efiSysMountPoint ? "/boot"
, timeout ? 0
, distroName ? "NixOS"
}:
let
  inherit (packages) grub;
  # NixOS's: the name, and the mount point with - for /.
  bootloaderId = distroName + builtins.replaceStrings [ "/" ] [ "-" ] efiSysMountPoint;
in
lib.script "install-grub.sh" (lib.substitute ./builder.sh {
  inherit device efiSysMountPoint timeout distroName;
  shell = "${packages.busybox}/bin/sh";
  path = "${grub}/bin:${grub}/sbin:${packages.busybox}/bin";
  biosTarget = if device == "nodev" then "" else "${packages.grub-i386-pc}/lib/grub/i386-pc";
  efiTarget = if efiSupport then "${packages.grub-x86_64-efi}/lib/grub/x86_64-efi" else "";
  efiFlags = if canTouchEfiVariables then "--bootloader-id=${bootloaderId}" else "--no-nvram --removable";
  version = baseNameOf grub;
})

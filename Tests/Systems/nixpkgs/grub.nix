# GRUB for BIOS, and with `efiSupport` for EFI: nixpkgs has a package for each, Debian's has both.
{ package }:
let
  grub = { efiSupport ? false, zfsSupport ? false, zfs ? null }@arguments: package "grub" {
    debian = "grub2";
    grubTarget = if efiSupport then "x86_64-efi" else "i386-pc";
    override = changes: grub (arguments // changes);
  };
in
grub { }

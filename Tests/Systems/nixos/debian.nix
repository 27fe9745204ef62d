# What Debian's binaries need of a NixOS system: they have paths of Debian in their machine code.
{ config, lib, pkgs, utils, ... }:
let
  systemd = config.systemd.package;

  # Its units are not in it, and what is enabled at a first boot is for NixOS to say.
  systemdLib = pkgs.runCommand "systemd-lib" { } ''
    mkdir $out
    for entry in ${systemd}/lib/systemd/*; do
      [[ $entry = *-preset ]] || ln -s "$entry" $out/
    done
  '';
  programs = builtins.listToAttrs (builtins.concatMap
    ({ from, names }: map (name: { name = "/usr/${name}"; value = "${from}/bin/${baseNameOf name}"; }) names)
    [
      { from = pkgs.util-linux; names = [ "bin/mount" "bin/umount" "sbin/swapon" "sbin/swapoff" "sbin/sulogin" "sbin/agetty" "sbin/fsck" ]; }
      { from = pkgs.kmod; names = [ "bin/kmod" "sbin/modprobe" ]; }
      { from = pkgs.shadow; names = [ "bin/login" "sbin/nologin" ]; }
      { from = systemd; names = [ "bin/systemctl" "bin/systemd-tty-ask-password-agent" "bin/udevadm" ]; }
    ]);
  early = programs // {
    "/usr/lib/systemd" = systemdLib;
    "/usr/lib/udev" = "${systemd}/lib/udev";
  };
  links = removeAttrs early [ "/usr/lib/systemd" ] // {
    "/lib/modules" = "/run/booted-system/kernel-modules/lib/modules";
    "/usr/sbin/unix_chkpwd" = "${pkgs.pam}/bin/unix_chkpwd";
  } // lib.optionalAttrs config.boot.loader.grub.enable {
    "/usr/lib/grub" = "${pkgs.grub2}/lib/grub";
    "/usr/share/grub" = "${pkgs.grub2}/share/grub";
  };
in
{
  system.activationScripts.debian = lib.concatStrings (lib.mapAttrsToList
    (path: target: ''
      mkdir -p ${dirOf path}
      ln -sfn ${target} ${path}
    '')
    links) + ''
    # bootctl follows no links here.
    rm -rf /usr/lib/systemd
    mkdir -p /usr/lib/systemd
    ln -s ${systemdLib}/* /usr/lib/systemd/
    rm /usr/lib/systemd/boot
    cp -r ${systemd}/lib/systemd/boot /usr/lib/systemd/
  '';
  # The activation of a system with a systemd in its initrd is done by that.
  boot.initrd.systemd.contents = lib.mapAttrs (_: source: { inherit source; }) early;

  # Debian has these in packages of their own, or has them no more.
  systemd.suppressedSystemUnits = [ "systemd-vconsole-setup.service" "systemd-nspawn@.service" ];
  systemd.oomd.enable = false;
  security.pam.services.login.updateWtmp = lib.mkForce false;
}

# tiny: a busybox for process 1. The smallest system with a real bootctl. Arguments: those of toplevel.nix,
# `canTouchEfiVariables`; `xbootldr` (the ESP on /efi, and on /boot a partition that has the label BOOT);
# `extraSoftware`; `bootloader` (further arguments of systemd-boot/); and `terminal` (lines of inittab that start what is on the terminals).
{ lib, packages, linux, initrd, systemdBoot, makeEtc, makeAccounts, makeToplevel, release, kernelParams }:
let
  inherit (packages) busybox bootctl;
  links = {
    "/bin/sh" = "${busybox}/bin/sh";
    "/usr/bin/env" = "${busybox}/bin/env";
    "/lib/modules" = "${linux.modules}/lib/modules";
    "/usr/lib/systemd" = "${bootctl}/lib/systemd"; # bootctl takes the loader from there
  };

  startup = xbootldr: lib.script "startup.sh" (lib.substitute ./startup.sh {
    partitions = if xbootldr then "ESP /efi BOOT /boot" else "ESP /boot";
    shell = "${busybox}/bin/sh";
    path = "${busybox}/bin";
  });

  inittab = xbootldr: terminal: ''
    ::sysinit:${startup xbootldr}
    ${terminal}
    ::ctrlaltdel:${busybox}/bin/reboot
    ::shutdown:${busybox}/bin/umount -a -r
  '';
  loginPrompts = lib.concat "\n" [
    "ttyS0::respawn:${busybox}/bin/getty -l ${busybox}/bin/login -L ttyS0 115200 vt100"
    "tty1::respawn:${busybox}/bin/getty -l ${busybox}/bin/login 38400 tty1 linux"
  ];

  make = { canTouchEfiVariables ? true, xbootldr ? false, extraSoftware ? [ ], bootloader ? { }, terminal ? loginPrompts, ... }@arguments:
    makeToplevel ({
      inherit links kernelParams;
      etc = "${makeEtc (release // {
        "inittab" = inittab xbootldr terminal;
        "profile" = "export PATH=/run/current-system/sw/bin\n";
      })}/etc";
      accounts = makeAccounts { shell = "${busybox}/bin/sh"; groups = { tty = 5; }; };
      software = extraSoftware ++ [ packages.flock packages.jq bootctl busybox ];
      modprobe = "${busybox}/bin/modprobe";
      firstProcess = "${busybox}/bin/init";
      installBootloader = systemdBoot ({
        inherit bootctl canTouchEfiVariables;
        efiSysMountPoint = if xbootldr then "/efi" else "/boot";
        xbootldrMountPoint = if xbootldr then "/boot" else null;
      } // bootloader);
    } // removeAttrs arguments [ "canTouchEfiVariables" "xbootldr" "extraSoftware" "bootloader" "terminal" ]);
in make

# demo: systemd for process 1, and the tools of a usual system. Arguments: those of toplevel.nix,
# `canTouchEfiVariables`, and `hasESP` (false: nothing is mounted on /boot).
{ lib, packages, linux, initrd, systemdBoot, makeEtc, makeAccounts, makeToplevel, release, kernelParams }:
let
  inherit (packages) bash busybox coreutils e2fsprogs kmod login nix perl systemd util-linux;

  software = [
    bash coreutils packages.diffutils e2fsprogs packages.efibootmgr packages.findutils packages.gawk packages.grep
    packages.gzip packages.jq kmod packages.less login nix packages.passwd perl packages.procps packages.python3
    packages.sed systemd packages.tar util-linux
  ];
  programs = lib.concat ":" (builtins.concatMap (p: [ "${p}/bin" "${p}/sbin" ])
    [ coreutils packages.findutils packages.grep packages.sed util-linux kmod systemd ]);

  # Debian's systemd, udev, agetty, perl and kmod have these paths in their machine code.
  links = {
    "/bin/login" = "${login}/bin/login";
    "/bin/mount" = "${util-linux}/bin/mount";
    "/bin/sh" = "${bash}/bin/bash";
    "/bin/systemctl" = "${systemd}/bin/systemctl";
    "/bin/systemd-tty-ask-password-agent" = "${systemd}/bin/systemd-tty-ask-password-agent";
    "/bin/umount" = "${util-linux}/bin/umount";
    "/lib/modules" = "${linux.modules}/lib/modules";
    "/lib/systemd" = "${systemd}/lib/systemd"; # without it a daemon-reexec freezes process 1
    "/lib/udev" = "${systemd}/lib/udev";
    "/sbin/modprobe" = "${kmod}/sbin/modprobe";
    "/sbin/sulogin" = "${util-linux}/sbin/sulogin";
    "/sbin/swapoff" = "${util-linux}/sbin/swapoff";
    "/sbin/swapon" = "${util-linux}/sbin/swapon";
    "/usr/bin/env" = "${coreutils}/bin/env";
    "/usr/lib/locale" = "${packages.glibc}/lib/locale";
    "/usr/lib/sysctl.d" = "${systemd}/lib/sysctl.d";
    "/usr/lib/systemd" = "${systemd}/lib/systemd";
    "/usr/lib/tmpfiles.d" = "${systemd}/lib/tmpfiles.d";
    "/usr/lib/x86_64-linux-gnu/perl-base" = "${perl}/lib/x86_64-linux-gnu/perl-base";
  };

  # Units of Debian that are of no use here: they need D-Bus, ask at the first boot, write to /etc, or cost time.
  masked = [
    "getty-static.service" "proc-sys-fs-binfmt_misc.automount" "sys-fs-fuse-connections.mount" "sys-kernel-config.mount"
    "sys-kernel-debug.mount" "sys-kernel-tracing.mount" "systemd-firstboot.service" "systemd-hwdb-update.service"
    "systemd-initctl.socket" "systemd-journal-catalog-update.service" "systemd-logind.service"
    "systemd-pcrphase.service" "systemd-pcrphase-sysinit.service" "systemd-repart.service" "systemd-sysusers.service"
    "systemd-update-done.service" "systemd-update-utmp.service" "systemd-update-utmp-runlevel.service"
  ];
  units = lib.run "system-units" { inherit masked systemd; } ''
    mkdir -p $out
    ln -s $systemd/lib/systemd/system/multi-user.target $out/default.target
    for unit in $masked; do
      ln -s /dev/null $out/$unit
    done
    # Process 1 runs from /nix/store: nothing can unmount it.
    mkdir $out/nix-store.mount.d
    printf '[Unit]\nDefaultDependencies=no\n' > $out/nix-store.mount.d/busy.conf
    # The serial console's prompt comes from systemd's generator, by console=ttyS0.
    mkdir $out/getty.target.wants
    ln -s $systemd/lib/systemd/system/getty@.service $out/getty.target.wants/getty@tty1.service
  '';

  # `nullok`: root has no password.
  pamModules = "${packages.pam}/lib/x86_64-linux-gnu/security";
  pamUnix = lib.concat "" (map (kind: "${kind} required ${pamModules}/pam_unix.so nullok\n")
    [ "auth" "account" "password" "session" ]);

  etc = hasESP: makeEtc (release // {
    "fstab" = "/dev/disk/by-label/nixos / auto defaults 0 0\n"
      + (if hasESP then "/dev/disk/by-label/ESP /boot vfat umask=0077 0 0\n" else "");
    "login.defs".source = "${login}/etc/login.defs";
    "mke2fs.conf".source = "${e2fsprogs}/etc/mke2fs.conf";
    "nix/nix.conf" = ''
      # No users nixbld: root builds as itself. The build hook's compiled-in path does not exist, and nix insists.
      build-users-group =
      build-hook = ${nix}/libexec/nix/build-remote
      experimental-features = nix-command
      sandbox = false
      substituters =
    '';
    "nsswitch.conf" = "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n";
    "pam.d/login" = pamUnix;
    "pam.d/other" = pamUnix;
    "profile" = ''
      export PATH=/run/current-system/sw/bin:/run/current-system/sw/sbin
      export NIX_PAGER=cat PAGER=cat SYSTEMD_PAGER=cat
      umask 0022
    '';
    "shells" = "/bin/sh\n/run/current-system/sw/bin/bash\n";
    "systemd/system".source = "${units}";
    "systemd/system.conf" = "[Manager]\nDefaultEnvironment=PATH=${programs}\n";
  });
in
{ canTouchEfiVariables ? true, hasESP ? true, ... }@arguments:
makeToplevel ({
  inherit links software kernelParams;
  etc = "${etc hasESP}/etc";
  accounts = makeAccounts {
    shell = "/run/current-system/sw/bin/bash";
    users = { systemd-journal = 62; systemd-network = 152; systemd-resolve = 153; };
    groups = {
      adm = 55; audio = 17; cdrom = 24; dialout = 27; disk = 6; floppy = 18; input = 174; kmem = 2; kvm = 302; lp = 20;
      render = 303; sgx = 304; tape = 25; tty = 3; utmp = 29; video = 26; wheel = 1; users = 100;
    };
  };
  modprobe = "${kmod}/sbin/modprobe";
  firstProcess = "${systemd}/lib/systemd/systemd";
  installBootloader = systemdBoot { inherit canTouchEfiVariables; bootctl = systemd; };
  afterSwitch = "[ ! -d /run/systemd/system ] || ${systemd}/bin/systemctl daemon-reload";
} // removeAttrs arguments [ "canTouchEfiVariables" "hasESP" ])

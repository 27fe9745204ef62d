# The packages of Debian 13 that are one store path, under the names that nixpkgs has for them.
{
  glibc.debs = [ "libc6" "libgcc-s1" "libc-bin" ];
  systemd = {
    debs = [
      "systemd" "libsystemd-shared" "systemd-sysv" "udev" "systemd-boot" "systemd-boot-tools" "systemd-boot-efi"
      "systemd-coredump" "systemd-cryptsetup" "systemd-timesyncd" "libpam-systemd"
    ];
    with' = [ "util-linux" "kmod" "libkmod2" "coreutils" "bash" "shadow" "dbus" ];
    # nixpkgs' systemd starts none of its own units: NixOS picks those that it wants out of `example`.
    after = ''
      mkdir $out/example $out/example/systemd
      mv $out/lib/systemd/system $out/lib/systemd/user $out/example/systemd/
      mv $out/lib/tmpfiles.d $out/lib/sysctl.d $out/lib/sysusers.d $out/example/
      # What of it names another unit by its path.
      find $out/example/systemd -type l | while read -r unit; do
        target=$(readlink "$unit")
        case $target in
          $out/lib/systemd/*) ln -sf "$out/example/systemd/''${target#$out/lib/systemd/}" "$unit" ;;
        esac
      done
      # nixpkgs has it in the daemon's place, as its modules' units have.
      ln -s ../../bin/udevadm $out/lib/systemd/systemd-udevd 2>/dev/null || true
    '';
  };
  dbus = {
    debs = [ "dbus" "dbus-daemon" "dbus-bin" "dbus-system-bus-common" "dbus-session-bus-common" ];
    # nixpkgs' has its configuration in /etc, where NixOS puts it; Debian's has it in /usr.
    after = ''
      mkdir -p $out/libexec
      ln -s ../lib/dbus-1.0/dbus-daemon-launch-helper $out/libexec/
      sed -i 's|--system |--config-file=/etc/dbus-1/system.conf |' $out/lib/systemd/system/dbus.service
    '';
  };
  lvm2 = {
    debs = [ "lvm2" "dmsetup" "dmeventd" "liblvm2cmd2.03" "libdevmapper-event1.02.1" ];
    with' = [ "bash" "coreutils" "systemd" ];
  };
  mdadm.with' = [ "bash" "coreutils" "systemd" ];
  util-linux = { debs = [ "util-linux" "mount" "bsdutils" "fdisk" ]; with' = [ "bash" ]; };
  shadow = { debs = [ "passwd" "login" "login.defs" ]; with' = [ "bash" ]; };
  pam.debs = [ "libpam0g" "libpam-modules" "libpam-modules-bin" ];
  python3.debs = [ "python3.13-minimal" "libpython3.13-minimal" "libpython3.13-stdlib" "python3-minimal" ];
  perl.debs = [ "perl" "perl-base" "perl-modules-5.40" "libperl5.40" ];
  nix = {
    debs = [ "nix-bin" "nix-setup-systemd" ];
    # Debian has a group for those who may call the daemon.
    after = ''
      rm -rf $out/lib/tmpfiles.d $out/lib/sysusers.d
      mkdir $out/lib/tmpfiles.d
      echo "d /nix/var/nix/daemon-socket 0755 root root - -" > $out/lib/tmpfiles.d/nix-daemon.conf
    '';
  };
  # What GRUB's programs look for below /usr, whatever they are told.
  grub2 = {
    debs = [ "grub-common" "grub2-common" "grub-pc-bin" "grub-efi-amd64-bin" ];
    with' = [ "bash" "coreutils" "grep" "sed" "gawk" ];
  };
  binutils.debs = [ "binutils" "binutils-common" "binutils-x86-64-linux-gnu" "libbinutils" "libctf0" "libctf-nobfd0" "libgprofng0" "libsframe1" ];
  # Debian picks the program of this name by its alternatives.
  bash.after = "[ -e $out/bin/sh ] || ln -s bash $out/bin/sh";
  gawk.after = "ln -s gawk $out/bin/awk";
  grep.with' = [ "bash" ];
  gzip.with' = [ "bash" ];
  bzip2.with' = [ "bash" ];
  xz-utils.with' = [ "bash" ];
  zstd.with' = [ "bash" ];
  kbd.with' = [ "bash" ];
  e2fsprogs.with' = [ "bash" ];
  xfsprogs.with' = [ "bash" ];
}

# The packages of Debian 12 that are one store path.
{
  glibc.debs = [ "libc6" "libgcc-s1" "libc-bin" ];
  systemd = {
    debs = [ "systemd" "libsystemd-shared" "systemd-sysv" "udev" "systemd-boot" "systemd-boot-efi" ];
    with' = [ "util-linux" "kmod" "coreutils" "bash" "login" ];
  };
  # bootctl alone, for a system without systemd.
  bootctl = {
    debs = [ "systemd-boot" "systemd-boot-efi" "libsystemd-shared" ];
    only = [ "bin/bootctl" "lib/systemd/boot" "lib/x86_64-linux-gnu/systemd/libsystemd-shared-252.so" ];
  };
  # grub-install has what it calls built in (grub-mkimage, grub-bios-setup, grub-probe). It writes EFI variables by
  # libefivar, so no efibootmgr is needed.
  grub = {
    debs = [ "grub-common" "grub2-common" ];
    only = [ "bin/grub-editenv" "bin/grub-script-check" "sbin/grub-install" "sbin/grub-probe" ];
  };
  # The parts of GRUB that run without an operating system, out of which grub-install makes an image.
  grub-i386-pc = { debs = [ "grub-pc-bin" ]; only = [ "lib/grub/i386-pc" ]; };
  grub-x86_64-efi = { debs = [ "grub-efi-amd64-bin" ]; only = [ "lib/grub/x86_64-efi" ]; };
  util-linux = { debs = [ "util-linux" "mount" ]; with' = [ "bash" ]; };
  # What the busybox of Debian lacks.
  flock = { debs = [ "util-linux" ]; only = [ "bin/flock" ]; };
  pam.debs = [ "libpam0g" "libpam-modules" "libpam-modules-bin" ];
  python3.debs = [ "python3.11-minimal" "libpython3.11-minimal" "libpython3.11-stdlib" "python3-minimal" ];
  nix.debs = [ "nix-bin" ];
  perl.debs = [ "perl-base" ];
  grep.with' = [ "bash" ];
  gzip.with' = [ "bash" ];
}

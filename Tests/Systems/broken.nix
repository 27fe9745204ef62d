# Systems that fail, each in one way. All are tiny but for the named part, so they add next to nothing to the store.
{ lib, packages, initrd, systemdBoot, grub, programs, tiny }:
let
  shell = "${packages.busybox}/bin/sh";
  program = name: body: lib.script name "#!${shell}\nexport PATH=${packages.busybox}/bin\n${body}\n";
  text = body: "#!${shell}\nexport PATH=${packages.busybox}/bin\n${body}\n";
  # The panic comes from the kernel itself, as one of a driver would.
  panic = "[ -e /proc/sysrq-trigger ] || mount -t proc proc /proc\necho c >/proc/sysrq-trigger\nsleep 60";
  full = name: place: tiny {
    name = "broken-full-${name}";
    installBootloader = program "broken-full-${name}.sh" "set -e\ncat /dev/zero >${place}/fill";
  };
in
{
  # The bootloader's step fails.
  broken-bootloader = tiny {
    name = "broken-bootloader";
    installBootloader = program "broken-bootloader.sh"
      ''echo "broken-bootloader: the bootloader cannot be installed, on purpose" >&2; exit 7'';
  };
  # The bootloader's step finds no room left on the ESP, or in the root, whatever their sizes.
  broken-full-esp = full "esp" "/boot";
  broken-full-root = full "root" "/";
  # The bootloader's step finds no room left in the firmware's store of EFI variables.
  broken-full-variables = tiny {
    name = "broken-full-variables";
    installBootloader = program "broken-full-variables.sh" ''
      set -e
      mkdir -p /tmp
      { printf '\007\000\000\000'; head -c 8000 /dev/zero; } >/tmp/value
      for number in $(seq 100); do
        dd if=/tmp/value of=/sys/firmware/efi/efivars/Fill$number-cfc8fc79-be2e-4ddc-97f0-9f98bfe298a0 bs=16k
      done'';
  };
  # Writes the boot entry that bootctl writes where it finds nothing out about its partition, and ends with 0.
  broken-entry = tiny {
    name = "broken-entry";
    installBootloader = program "broken-entry.sh" ''
      set -e
      mkdir -p /tmp
      entry() { printf '\007\000\000\000\001\000\000\000\110\000L\000\000\000'
        printf '\004\001\052\000\001\000\000\000'; head -c 32 /dev/zero; printf '\002\002'
        printf '\004\004\032\000\\\000E\000F\000I\000\\\000A\000.\000E\000F\000I\000\000\000\177\377\004\000'; }
      entry >/tmp/entry
      dd if=/tmp/entry of=/sys/firmware/efi/efivars/Boot0001-8be4df61-93ca-11d2-aa0d-00e098032b8c bs=4k
      rm /tmp/entry'';
  };
  # Writes a good entry, and takes its file away again.
  broken-file = tiny {
    name = "broken-file";
    installBootloader = program "broken-file.sh" ''
      set -e
      ${systemdBoot { inherit (packages) bootctl; }} "$@"
      rm /boot/EFI/systemd/systemd-bootx64.efi'';
  };
  # Installs a boot loader, and never updates one.
  broken-update = tiny {
    name = "broken-update";
    installBootloader = program "broken-update.sh" ''
      [ "''${NIXOS_INSTALL_BOOTLOADER:-}" != 1 ] || exec ${systemdBoot { inherit (packages) bootctl; }} "$@"'';
  };
  # Forgets which extra files earlier systems have put on the boot partition.
  broken-extra-files = tiny {
    name = "broken-extra-files";
    installBootloader = program "broken-extra-files.sh" ''
      set -e
      rm -rf /boot/EFI/nixos/.extra-files
      exec ${systemdBoot { inherit (packages) bootctl; }} "$@"'';
  };
  # The menu's UEFI shell is not where its entry looks.
  broken-menu-program = tiny {
    name = "broken-menu-program";
    bootloader = programs // {
      extraEntries."edk2-uefi-shell.conf" = "title EDK2 UEFI Shell\nefi /efi/shell.efi\nsort-key o_edk2-uefi-shell\n";
    };
  };
  # The menu's Memtest86+ is a program that ends.
  broken-menu-memtest = tiny {
    name = "broken-menu-memtest";
    bootloader = programs // { memtest86 = programs.netbootxyz; };
  };
  # GRUB's menu does not know of a choice for one boot.
  broken-grub-once = tiny {
    name = "broken-grub-once";
    installBootloader = program "broken-grub-once.sh" ''
      set -e
      ${grub { device = "/dev/vda"; }} "$@"
      sed -i 's/"''${next_entry}"/""/' /boot/grub/grub.cfg'';
    extraSoftware = [ packages.grub ];
  };
  # Leaves entries on the ESP, where those of the extended boot loader partition are.
  broken-xbootldr = tiny {
    name = "broken-xbootldr";
    xbootldr = true;
    installBootloader = program "broken-xbootldr.sh" ''
      set -e
      ${systemdBoot { inherit (packages) bootctl; efiSysMountPoint = "/efi"; xbootldrMountPoint = "/boot"; }} "$@"
      mkdir -p /efi/loader/entries
      cp /boot/loader/entries/* /efi/loader/entries'';
  };
  # As `system.switch.enable = false`.
  broken-no-switch = tiny { name = "broken-no-switch"; hasSwitch = false; };
  # Activation brings the kernel down, also the installer's.
  broken-panic = tiny { name = "broken-panic"; activationScript = text panic; };
  # Activation never ends and says nothing.
  broken-silent = tiny { name = "broken-silent"; activationScript = text "exec sleep 2147483647"; };
  # Installs, and boots to an emergency shell.
  broken-emergency = tiny {
    name = "broken-emergency";
    terminal = "ttyS0::respawn:${program "emergency.sh" ''
      echo 'You are in emergency mode. After logging in, type "journalctl -xb" to view'
      echo 'system logs, "systemctl reboot" to reboot, "systemctl default" or "exit" to boot into default mode.'
      exec sh''}";
  };
  # Installs, and its first stage brings the kernel down.
  broken-boot-panic = tiny {
    name = "broken-boot-panic";
    rootInitrd = initrd { beforeMount = "echo c >/proc/sysrq-trigger"; };
  };
}

# Systems that fail, each in one way. All are tiny but for the named part, so they add next to nothing to the store.
{ lib, packages, initrd, tiny }:
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

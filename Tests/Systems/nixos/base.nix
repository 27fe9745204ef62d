# What every system has that tests build: a console on the serial line, and little else. `profiles/minimal.nix` is NixOS's.
{ lib, modulesPath, ... }:
{
  imports = [ (modulesPath + "/profiles/minimal.nix") ./debian.nix ];

  boot.kernelParams = [ "console=tty0" "console=ttyS0,115200" "mitigations=off" "random.trust_cpu=on" "no_timer_check" "systemd.default_device_timeout_sec=300" ];
  boot.initrd.availableKernelModules = [ "virtio_pci" "virtio_blk" "virtio_scsi" "virtio_net" "ahci" "nvme" "sd_mod" ];
  boot.loader.timeout = lib.mkDefault 0;
  boot.loader.grub.splashImage = null;
  fileSystems."/" = { device = "/dev/disk/by-label/nixos"; fsType = "ext4"; };
  users.users.root.initialHashedPassword = "";
  system.stateVersion = "24.11";

  # What these systems can do without, and the set does not have.
  boot.bcache.enable = false;
  # Without a virtual console NixOS has no prompt on a serial one either.
  console.enable = false;
  systemd.services."serial-getty@ttyS0".enable = lib.mkForce true;
  documentation.enable = lib.mkForce false;
  environment.defaultPackages = lib.mkForce [ ];
  fonts.fontconfig.enable = lib.mkForce false;
  networking = { useDHCP = false; firewall.enable = false; resolvconf.enable = false; };
  programs = { nano.enable = false; command-not-found.enable = false; bash.completion.enable = false; less.lessopen = null; };
  security.wrappers = lib.mkForce { };
  services = { lvm.enable = false; nscd.enable = false; };
  system = { disableInstallerTools = true; nssModules = lib.mkForce [ ]; };
  # The set's program for it is written in Python, and would read a hundred files before each reboot.
  systemd.shutdownRamfs.enable = false;
}

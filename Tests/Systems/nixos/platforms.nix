# The images of NixOS's modules for clouds and hypervisors, as those call nixos/lib/make-disk-image.nix: `image`, and
# `unpack`, which makes the file `disk` of what is in `$out`; `boot` are flags for `slipway verify`, and `built` the files of
# `$out`. The checkout's make-disk-image.nix has to be nix/make-disk-image.nix.
{ lib, pkgs, evaluateWith }:
let
  inherit (lib) mkForce;

  # Agents and tools of the platforms, which have nothing to do elsewhere, and are in no package of Debian's that the set has.
  agents = final: previous: {
    google-guest-configs = pkgs.runCommand "google-guest-configs" { } ''
      mkdir -p $out/etc/modprobe.d $out/etc/sysctl.d $out/lib/udev/rules.d
      touch $out/etc/modprobe.d/gce-blacklist.conf $out/etc/sysctl.d/60-gce-network-security.conf
    '';
    vmTools.qemu = pkgs.qemu_kvm;
    # Proxmox's own format is a patch of QEMU.
    qemu_kvm = pkgs.qemu_kvm // {
      override = _: {
        overrideAttrs = _: pkgs.writeShellScriptBin "vma" ''
          # vma create FILE -c CONFIGURATION drive-virtio0=DISK
          [ $# = 5 ] && [ "$1 $3" = "create -c" ] && tar -cSf "$2" -C "$(dirname "$4")" "$(basename "$4")" \
            -C "$(dirname "''${5#*=}")" "$(basename "''${5#*=}")"
        '';
      };
    };
    # Debian has no VirtualBox. Its machine is the disks that were attached to it, and what it was told, a line a command.
    virtualbox = pkgs.writeShellScriptBin "VBoxManage" ''
      set -e
      echo "$*" >> machine.txt
      case $1 in
        convertfromraw) ${pkgs.qemu_kvm}/bin/qemu-img convert -f raw -O vdi "$2" "$3" ;;
        storageattach) echo "''${@: -1}" >> disks ;;
        export) tar -cf "$4" machine.txt $(cat disks) ;;
      esac
    '';
  } // lib.genAttrs [ "cryptsetup" "sg3_utils" "google-guest-agent" "inetutils" "mpack" "mtr" "sysstat" ]
    (name: pkgs.runCommand name { } "mkdir $out");

  # What no platform's image has here.
  common = {
    boot.growPartition = mkForce false;
    networking.interfaces = mkForce { };
    services.openssh.enable = mkForce false;
  };

  platforms = {
    azure = {
      attribute = "azureImage";
      settings.virtualisation.azure.agent.enable = mkForce false;
      built = "disk.vhd";
      unpack = "cp $out/disk.vhd disk";
      boot = [ "--bios" "--format" "vpc-fixed" ];
    };
    digital-ocean = {
      attribute = "digitalOceanImage";
      settings = {
        services.do-agent.enable = false;
        virtualisation.digitalOcean.rebuildFromUserData = false;
      };
      built = "nixos.qcow2.gz";
      unpack = "gzip -dc $out/nixos.qcow2.gz > disk";
      boot = [ "--bios" "--format" "qcow2" ];
    };
    google-compute = {
      attribute = "googleComputeImage";
      settings = {
        security.googleOsLogin.enable = mkForce false;
        systemd.services = lib.genAttrs [ "google-guest-agent" "google-startup-scripts" "google-shutdown-scripts" ]
          (_: { enable = false; });
      };
      built = "nixos-image-*.raw.tar.gz";
      unpack = "cp $out/nixos-image-*.raw.tar.gz disk";
      boot = [ "--bios" "--format" "raw.tar.gz" ];
    };
    hyperv = {
      attribute = "hypervImage";
      settings.virtualisation.hypervGuest.enable = mkForce false;
      built = "efi-vars.fd nixos-*.vhdx";
      unpack = "cp $out/nixos-*.vhdx disk";
      boot = [ "--format" "vhdx" ];
    };
    kubevirt = {
      file = "kubevirt";
      attribute = "kubevirtImage";
      settings.services = { cloud-init.enable = mkForce false; qemuGuest.enable = mkForce false; };
      built = "nixos.qcow2";
      unpack = "cp $out/nixos.qcow2 disk";
      boot = [ "--bios" "--format" "qcow2" ];
    };
    linode = {
      attribute = "linodeImage";
      # There it is the first SCSI disk.
      settings = { fileSystems."/".device = mkForce "/dev/disk/by-label/nixos"; swapDevices = mkForce [ ]; };
      built = "nixos-image-*.img.gz";
      unpack = "gzip -dc $out/nixos-image-*.img.gz > disk";
      # It has no bootloader: the platform has one.
      bootsKernel = true;
      boot = [ "--format" "raw" ];
    };
    lxd = {
      file = "lxd-virtual-machine";
      attribute = "qemuImage";
      settings = { environment.noXlibs = mkForce true; virtualisation.lxd.agent.enable = false; };
      built = "efi-vars.fd nixos.qcow2";
      unpack = "cp $out/nixos.qcow2 disk";
      boot = [ "--format" "qcow2" ];
    };
    oci = {
      attribute = "OCIImage";
      settings.networking.useNetworkd = false;
      built = "efi-vars.fd nixos.qcow2";
      unpack = "cp $out/nixos.qcow2 disk";
      boot = [ "--format" "qcow2" ];
    };
    proxmox = {
      attribute = "VMA";
      settings = {
        proxmox.cloudInit.enable = false;
        services = { sshd.enable = mkForce false; qemuGuest.enable = mkForce false; };
      };
      built = "vzdump-qemu-nixos-*.vma.zst";
      unpack = "zstd -dc $out/*.vma.zst | tar -xO nixos.img > disk";
      boot = [ "--bios" "--format" "raw" ];
    };
    virtualbox = {
      attribute = "virtualBoxOVA";
      settings = {
        virtualbox = {
          baseImageFreeSpace = 256;
          extraDisk = { label = "storage"; mountPoint = "/storage"; size = 64; };
        };
        fileSystems."/storage".options = [ "nofail" ];
        swapDevices = mkForce [ ];
        virtualisation.virtualbox.guest.enable = mkForce false;
      };
      built = "nixos-*.ova";
      # The further disk has a filesystem of that name where its first partition begins.
      unpack = ''
        tar -xf $out/nixos-*.ova
        qemu-img convert -f vdi -O raw data-disk.vdi data
        blkid --probe --offset 1048576 --match-token LABEL=storage data
        mv disk.vdi disk
      '';
      boot = [ "--bios" "--format" "vdi" ];
    };
    vmware = {
      attribute = "vmwareImage";
      settings.virtualisation.vmware.guest.enable = mkForce false;
      built = "efi-vars.fd nixos-*.vmdk";
      unpack = "cp $out/nixos-*.vmdk disk";
      boot = [ "--format" "vmdk" ];
    };
  };
in
lib.mapAttrs
  (name: { attribute, settings, built, unpack, boot, file ? "${name}-image", bootsKernel ? false }:
    let
      system = evaluateWith (pkgs.extend agents) name [
        ({ modulesPath, ... }: { imports = [ (modulesPath + "/virtualisation/${file}.nix") ]; })
        common
        settings
      ];
      inherit (system.config.system.build) toplevel;
    in
    {
      inherit (system) config;
      inherit built unpack;
      image = system.config.system.build.${attribute};
      # An image without a bootloader is given the kernel of the system in it.
      boot = boot ++ lib.optionals bootsKernel [
        "--kernel" "${toplevel}/kernel" "--initrd" "${toplevel}/initrd"
        "--append" "init=${toplevel}/init ${toString system.config.boot.kernelParams}"
      ];
    })
  platforms

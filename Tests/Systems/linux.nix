# Debian's kernel, and the modules of it that a virtual machine can use.
{ lib, image }:
let
  version = builtins.head (builtins.match ".*linux-image-([^_]*)_.*" (builtins.unsafeDiscardStringContext "${image}"));
  # Filesystems that Debian's cloud kernel lacks, the hash that f2fs names by its alias, and what the host shares.
  further =
    if builtins.match ".*-cloud-.*" version == null
    then [ "f2fs" "jfs" "crc32_generic" "9p" "9pnet_virtio" "virtiofs" ] else [ ];

  # Names for `modprobe`; their dependencies come along. What is built in (ext4, NVMe, tmpfs, EFI stub) is not named.
  wanted = [
    "virtio_pci" "virtio_blk" "virtio_scsi" "virtio_net" "virtio_console" "virtio_balloon" "virtio-rng" "virtio_mmio"
    "sd_mod" "sr_mod" "loop" "dm_mod"
    "xfs" "btrfs" "vfat" "nls_cp437" "nls_iso8859-1" "nls_utf8" "nls_ascii" "efivarfs"
    "squashfs" "erofs" "overlay" "isofs" "autofs4"
    "crc32c_generic" "crc32c_intel" "crc32_pclmul" "button" "evdev" "qemu_fw_cfg" "pvpanic-pci" "af_packet"
  ] ++ further;
in rec {
  inherit version further;

  kernel = lib.run "linux-${version}" { inherit image version; } ''
    mkdir $out
    dpkg-deb --fsys-tarfile $image | tar -xO ./boot/vmlinuz-$version > $out/bzImage
  '';

  modules = lib.run "linux-${version}-modules" { inherit image version wanted; } ''
    dpkg-deb --fsys-tarfile $image | tar -x --no-same-owner ./lib/modules
    depmod -b $PWD $version
    modules=$out/lib/modules/$version
    mkdir -p $modules
    cp lib/modules/$version/modules.builtin lib/modules/$version/modules.builtin.modinfo \
      lib/modules/$version/modules.order $modules/
    for module in $wanted; do
      # `insmod PATH` for each file in order of loading, `builtin NAME` for what is in the kernel.
      modprobe -d $PWD -S $version --show-depends --ignore-install $module > found || {
        echo "no module $module in linux $version" >&2; exit 1;
      }
      awk '$1 == "insmod" { print $2 }' found >> files
    done
    sort -u files | while read -r file; do
      install -m 0644 -D $file $out/''${file#$PWD/}
    done
    depmod -b $out $version
  '';
}

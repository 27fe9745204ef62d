# Stage 1: a busybox that finds the root filesystem by its label, as NixOS does with `fileSystems."/".device`;
# or with `mountRoot = "mountShare"` takes the store that the host shares.
{ lib, packages, linux }:
{ rootLabel ? "nixos", beforeMount ? "", mountRoot ? "mountDisk" }:
let
  modules = [ "virtio_pci" "virtio_blk" "virtio_scsi" "sd_mod" "virtio_console" "xfs" "btrfs" "crc32c_generic" ]
    ++ linux.further;
  init = lib.script "stage-1-init.sh" (lib.substitute ./init.sh { inherit rootLabel beforeMount mountRoot; });
in lib.run "initrd-linux-${linux.version}" {
  inherit modules init;
  inherit (packages) busybox;
  inherit (linux) version;
  tree = linux.modules;
} ''
  mkdir -p root/bin root/dev root/proc root/sys root/run root/mnt-root root/lib/modules/$version
  cp -P $busybox/bin/* root/bin/
  cp $init root/init
  cp $tree/lib/modules/$version/modules.builtin* $tree/lib/modules/$version/modules.order root/lib/modules/$version/
  for module in $modules; do
    modprobe -d $tree -S $version --show-depends --ignore-install $module > found
    awk '$1 == "insmod" { print $2 }' found >> files
  done
  sort -u files | while read -r file; do
    install -m 0644 -D $file root/''${file#$tree/}
  done
  depmod -b root $version
  find root -exec touch -h -d @1 {} +
  mkdir $out
  cd root
  find . | sort | cpio --quiet -o -H newc --reproducible --owner=0:0 > ../initrd.cpio
  zstd -q -19 ../initrd.cpio -o $out/initrd
''

#!/bin/sh
# Stage 1 of the boot: mount the root filesystem and hand over to the system that init= names.
export PATH=/bin
targetRoot=/mnt-root

fail() {
  # The words of NixOS's stage 1: whoever watches the console looks for them. Init's end is a kernel panic.
  echo
  echo "An error occurred in stage 1 of the boot process, which must mount the"
  echo "root filesystem on \`$targetRoot' and then start stage 2: $*"
  sleep 1
  exit 1
}

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null # the kernel may have done it
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs /run

echo
echo "<<< NixOS Stage 1 >>>"
echo

stage2Init=
for option in $(cat /proc/cmdline); do
  case $option in
    init=*) stage2Init=${option#init=} ;;
  esac
done
[ -n "$stage2Init" ] || fail "the kernel command line has no init="

for module in virtio_pci virtio_blk virtio_scsi sd_mod virtio_console 9pnet_virtio; do
  modprobe $module 2>/dev/null
done
@beforeMount@
mountDisk() {
  tries=0
  until device=$(findfs LABEL=@rootLabel@ 2>/dev/null); do
    tries=$((tries + 1))
    [ $tries -lt 200 ] || fail "no filesystem has the label '@rootLabel@'"
    usleep 100000
  done

  for kind in ext4 xfs btrfs f2fs jfs none; do
    [ $kind != none ] || fail "$device has no filesystem that this system knows"
    [ $kind = ext4 ] || modprobe $kind 2>/dev/null # built in
    [ $kind != f2fs ] || modprobe crc32_generic 2>/dev/null # named by an alias, which busybox does not follow
    mount -t $kind -o rw $device $targetRoot 2>/dev/null && break
  done
  echo "mounted $device ($kind) on /"
}

# A root in memory, with the store that the host shares by the tag `store`.
mountShare() {
  mount -t tmpfs -o mode=755 tmpfs $targetRoot
  mkdir -p $targetRoot/nix/store
  for kind in 9p virtiofs none; do
    [ $kind != none ] || fail "no share has the tag 'store'"
    options=ro
    [ $kind != 9p ] || options=ro,trans=virtio,version=9p2000.L,msize=131072,cache=loose
    modprobe $kind && mount -t $kind -o $options store $targetRoot/nix/store 2>/dev/null && break
  done
  echo "mounted store ($kind) on /nix/store"
}
@mountRoot@

[ -x "$targetRoot$stage2Init" ] || [ -L "$targetRoot$stage2Init" ] || fail "no stage 2 init script $stage2Init"
for folder in dev proc sys run; do
  mkdir -p $targetRoot/$folder
  mount -o move /$folder $targetRoot/$folder
done
exec switch_root $targetRoot "$stage2Init"

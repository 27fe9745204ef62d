#!@shell@
# What tiny's init does before the login prompt.
export PATH=@path@

hostname -F /etc/hostname
ifconfig lo up
mkdir -p /dev/pts /dev/shm
grep -q ' /dev/pts ' /proc/mounts || mount -t devpts -o mode=620,gid=5 devpts /dev/pts
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs /dev/shm

if [ -d /sys/firmware/efi ]; then
  modprobe efivarfs
  mount -t efivarfs -o nosuid,nodev,noexec efivarfs /sys/firmware/efi/efivars
  # Four bytes of attributes, then 1 where the firmware starts nothing but what is signed.
  secureBoot=/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c
  if [ -e $secureBoot ] && [ "$(tail -c 1 $secureBoot | od -A n -t u1)" -eq 1 ]; then
    /run/current-system/sw/bin/bootctl status 2>/dev/null | grep 'Secure Boot:' >/dev/console
  fi
fi

modprobe vfat && modprobe nls_cp437 && modprobe nls_iso8859-1
set -- @partitions@ # a label and a place, and so on
while [ $# -ge 2 ]; do
  if device=$(findfs "LABEL=$1" 2>/dev/null); then
    mkdir -p "$2"
    mount -t vfat -o umask=0077 "$device" "$2" || echo "cannot mount $device on $2" >&2
  fi
  shift 2
done

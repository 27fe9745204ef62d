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
fi

modprobe vfat && modprobe nls_cp437 && modprobe nls_iso8859-1
if device=$(findfs LABEL=ESP); then
  mount -t vfat -o umask=0077 "$device" /boot || echo "cannot mount $device on /boot" >&2
fi

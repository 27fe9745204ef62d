#!@shell@
# Makes a root that holds only /nix, or an earlier system's, into a root of this system. May run any number of
# times, at boot and in an installer's chroot (IN_NIXOS_ENTER=1, with /dev and /sys bound).
set -eu
export PATH=@path@
systemConfig=@systemConfig@
umask 0022

# is_mounted PATH
is_mounted() {
  while read -r _ place _; do
    [ "$place" != "$1" ] || return 0
  done </proc/mounts
  return 1
}

# link TARGET PATH: atomically where something is in the way. Few processes: an emulated machine starts them slowly.
link() {
  [ -d "${2%/*}/" ] || mkdir -p "${2%/*}/"
  if [ ! -e "$2" ] && [ ! -L "$2" ]; then
    ln -s "$1" "$2"
  elif [ ! -L "$2" ] || [ "$(readlink "$2")" != "$1" ]; then
    ln -sfn "$1" "$2.tmp"
    mv -f -T "$2.tmp" "$2"
  fi
}

echo "activating the configuration..."

mkdir -p /proc /run
[ -e /proc/mounts ] || mount -t proc -o nosuid,noexec,nodev proc /proc
is_mounted /run || mount -t tmpfs -o mode=755,nosuid,nodev,strictatime tmpfs /run

mkdir -p /bin /boot /etc /home /sbin /usr/bin /var/empty /var/lib /var/log /var/tmp /tmp /root \
  /nix/var/nix/gcroots /nix/var/nix/profiles
chmod 1777 /tmp /var/tmp
chmod 0700 /root
chmod 0555 /var/empty

echo "setting up /etc..."
link @etc@ /etc/static
for entry in @etc@/*; do
  link "/etc/static/${entry##*/}" "/etc/${entry##*/}"
done
for entry in /etc/*; do # what an earlier system had and this one has not
  case $(readlink "$entry") in
    /etc/static/*) [ -e "$entry" ] || rm "$entry" ;;
  esac
done
[ -e /etc/NIXOS ] || : >/etc/NIXOS
link /proc/mounts /etc/mtab

# Accounts are the machine's own once they exist.
for file in @accounts@/*; do
  [ -e "/etc/${file##*/}" ] || cp "$file" "/etc/${file##*/}"
done
chmod 0644 /etc/passwd /etc/group
chmod 0600 /etc/shadow

# Paths that are compiled into programs.
while read -r path target; do
  link "$target" "$path"
done <@links@

link "$systemConfig" /run/current-system
link /run/current-system /nix/var/nix/gcroots/current-system
link /run/booted-system /nix/var/nix/gcroots/booted-system

# The kernel calls this to load a module by itself. Not in a chroot: that kernel is not ours.
if [ "${IN_NIXOS_ENTER:-0}" != 1 ] && [ -w /proc/sys/kernel/modprobe ]; then
  echo @modprobe@ >/proc/sys/kernel/modprobe
fi

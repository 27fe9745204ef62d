#!@shell@
# Stage 2 of the boot: make the system usable and become its first process.
export PATH=@path@
systemConfig=@systemConfig@

echo
echo "<<< NixOS Stage 2 >>>"
echo

mount -o remount,rw / 2>/dev/null
mkdir -p -m 0755 /dev /proc /sys /run /etc
# Stage 1 mounted these; a boot without it has none of them.
[ -e /proc/self ] || mount -t proc proc /proc
[ -e /sys/kernel ] || mount -t sysfs sysfs /sys
[ -c /dev/null ] || mount -t devtmpfs devtmpfs /dev

# The store is immutable from here on: a program that writes beside itself must not change a store path.
mount -o bind /nix/store /nix/store
mount -o remount,ro,bind /nix/store

"$systemConfig/activate" || echo "stage-2: activation of $systemConfig failed" >&2

ln -sfn "$systemConfig" /run/booted-system
exec @firstProcess@

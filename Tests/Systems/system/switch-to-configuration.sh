#!@shell@
# Makes this system the one that boots next, or the running one.
set -eu
export PATH=@path@
toplevel=@systemConfig@

fail() {
  echo "switch-to-configuration: $*" >&2
  exit 1
}

case ${1:-} in
  boot | switch | check) action=$1 ;;
  *)
    echo "Usage: $0 [check|switch|boot]" >&2
    [ $# != 1 ] || echo "The action '$1' is not one of this system's." >&2
    exit 1
    ;;
esac
export NIXOS_ACTION=$action

[ -e /etc/NIXOS ] || grep -q '^ID="\{0,1\}nixos"\{0,1\}$' /etc/os-release 2>/dev/null ||
  fail "this is not a NixOS installation: there is no /etc/NIXOS"

mkdir -p -m 0755 /run/nixos
exec 9>/run/nixos/switch-to-configuration.lock
flock -n 9 || fail "could not acquire lock /run/nixos/switch-to-configuration.lock: another switch is running"

[ $action != check ] || exit 0

# 9>&-: what the bootloader's step leaves running must not keep the lock.
@installBootloader@ "$toplevel" 9>&- || {
  status=$?
  echo "Failed to install bootloader" >&2
  exit $status
}
[ "${NIXOS_NO_SYNC:-}" = 1 ] || sync -f /nix/store

[ $action != boot ] || exit 0
"$toplevel/activate" 9>&-
@afterSwitch@

#!@shell@
# Installs or updates systemd-boot, and writes an entry for each generation of the system profile and each of its
# specialisations, as NixOS's systemd-boot-builder does. The argument is the toplevel to boot by default.
# With NIXOS_INSTALL_BOOTLOADER=1 the bootloader itself is installed too.
set -eu
export PATH=@path@
esp=@efiSysMountPoint@
profiles=/nix/var/nix/profiles

fail() {
  echo "systemd-boot-builder: $*" >&2
  exit 1
}

[ $# = 1 ] || fail "usage: systemd-boot-builder TOPLEVEL"
defaultToplevel=$(readlink -f "$1")

awk -v esp="$esp" '$2 == esp && $1 ~ /^\// { found = 1 } END { exit !found }' /proc/mounts ||
  fail "efiSysMountPoint = '$esp' is not a mounted partition. Is the path configured correctly?"

install_bootloader() {
  if [ "${NIXOS_INSTALL_BOOTLOADER:-}" = 1 ]; then
    rm -f "$esp/loader/loader.conf"
    bootctl --esp-path="$esp" @bootctlFlags@ install || fail "bootctl install failed ($?)"
    return
  fi
  [ -e "$esp/EFI/systemd/systemd-bootx64.efi" ] ||
    fail "no systemd-boot on $esp: run with NIXOS_INSTALL_BOOTLOADER=1 to install it"
  cmp -s "@loaderFile@" "$esp/EFI/systemd/systemd-bootx64.efi" ||
    bootctl --esp-path="$esp" @bootctlFlags@ update || fail "bootctl update failed ($?)"
}

# copy_to_esp STORE_FILE: sets $espPath to where the file is on the ESP
copy_to_esp() {
  file=$(readlink -f "$1")
  folder=${file%/*}
  espPath=/EFI/nixos/${folder##*/}-${file##*/}.efi
  echo "$esp$espPath" >>"$work/kept"
  [ ! -e "$esp$espPath" ] || return 0
  cp "$file" "$esp$espPath.tmp" || {
    rm -f "$esp$espPath.tmp"
    free=$(df -P -k "$esp" | awk 'END { print $4 }')
    fail "cannot copy $file ($(stat -c %s "$file") bytes) to $esp ($free KiB free)"
  }
  mv "$esp$espPath.tmp" "$esp$espPath"
}

# write_entry GENERATION, for the specification in the variables that the loop below reads
write_entry() {
  name=nixos-generation-$1${specialisation:+-specialisation-$specialisation}
  {
    echo "title @distroName@${specialisation:+ ($specialisation)}"
    echo "sort-key @sortKey@"
    echo "version Generation $1 $label, built on $(date -u -d "@$(stat -c %Z "$toplevel")" +%F)"
    copy_to_esp "$kernel"
    echo "linux $espPath"
    copy_to_esp "$initrd"
    echo "initrd $espPath"
    echo "options init=$init $kernelParams"
    [ ! -s /etc/machine-id ] || echo "machine-id $(head -n 1 /etc/machine-id)"
  } >"$work/entry"
  put "$work/entry" "$esp/loader/entries/$name.conf"
  if [ "$toplevel" = "$defaultToplevel" ]; then
    defaultEntry=$name.conf
  fi
}

# put FILE PATH: the new content appears whole or not at all
put() {
  echo "$2" >>"$work/kept"
  cp "$1" "$2.tmp" || {
    rm -f "$2.tmp"
    fail "cannot write $2"
  }
  mv "$2.tmp" "$2"
}

work=$(mktemp -d /run/systemd-boot-builder.XXXXXX)
trap 'rm -rf "$work"' EXIT

generations=$(ls $profiles | sed -n 's/^system-\([0-9]\{1,\}\)-link$/\1/p' | sort -n)
[ -n "$generations" ] || fail "$profiles has no generation of the system: refusing to remove all boot loader entries"

install_bootloader
mkdir -p "$esp/EFI/nixos" "$esp/loader/entries"

# Of the boot specification and then of each of its specialisations: seven lines, the first the specialisation's name.
describe='
  def need(key): .[key] // error("it has no \(key)");
  def lines(name): ."org.nixos.bootspec.v1" | name, need("toplevel"), need("kernel"), need("initrd"), need("init"),
    need("label"), (need("kernelParams") | join(" "));
  lines(""), (."org.nixos.specialisation.v1" // {} | to_entries[] | .key as $name | .value | lines($name))'

defaultEntry=
for generation in $generations; do
  link=$profiles/system-$generation-link
  if [ ! -e "$link/boot.json" ]; then
    echo "systemd-boot-builder: generation $generation has no boot.json, ignored" >&2
    continue
  fi
  jq -r "$describe" "$link/boot.json" >"$work/specifications" || fail "cannot use $link/boot.json"
  while read -r specialisation && read -r toplevel && read -r kernel && read -r initrd && read -r init &&
    read -r label && read -r kernelParams; do
    write_entry "$generation"
  done <"$work/specifications"
done
[ -n "$defaultEntry" ] || fail "no generation in $profiles is $defaultToplevel: set the profile first"

cat >"$work/loader.conf" <<END
timeout @timeout@
default $defaultEntry
console-mode @consoleMode@
END
put "$work/loader.conf" "$esp/loader/loader.conf"

# What dropped generations left.
for file in "$esp"/loader/entries/nixos*.conf "$esp"/EFI/nixos/*; do
  [ ! -f "$file" ] || grep -q -x -F "$file" "$work/kept" || rm "$file"
done
sync -f "$esp"

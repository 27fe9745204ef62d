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

# field FILTER: a value of the boot specification in $document
field() {
  jq -e -r ".\"org.nixos.bootspec.v1\" | $1" "$document" || fail "$document has no $1"
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
    fail "cannot copy $file ($(stat -c %s "$file") bytes) to $esp ($(df -P -k "$esp" | awk 'END { print $4 }') KiB free)"
  }
  mv "$esp$espPath.tmp" "$esp$espPath"
}

# write_entry GENERATION [SPECIALISATION], for the specification in $document
write_entry() {
  name=nixos-generation-$1${2:+-specialisation-$2}
  toplevel=$(field .toplevel)
  echo "title @distroName@${2:+ ($2)}" >"$work/entry"
  {
    echo "sort-key @sortKey@"
    echo "version Generation $1 $(field .label), built on $(date -u -d "@$(stat -c %Z "$toplevel")" +%F)"
    copy_to_esp "$(field .kernel)"
    echo "linux $espPath"
    copy_to_esp "$(field .initrd)"
    echo "initrd $espPath"
    echo "options init=$(field .init) $(field '.kernelParams | join(" ")')"
    [ ! -s /etc/machine-id ] || echo "machine-id $(head -n 1 /etc/machine-id)"
  } >>"$work/entry"
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

defaultEntry=
for generation in $generations; do
  link=$profiles/system-$generation-link
  if [ ! -e "$link/boot.json" ]; then
    echo "systemd-boot-builder: generation $generation has no boot.json, ignored" >&2
    continue
  fi
  document=$link/boot.json
  write_entry "$generation"
  for specialisation in $(jq -r '."org.nixos.specialisation.v1" // {} | keys[]' "$link/boot.json"); do
    document=$work/specialisation.json
    jq --arg name "$specialisation" '."org.nixos.specialisation.v1"[$name]' "$link/boot.json" >"$document"
    write_entry "$generation" "$specialisation"
  done
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

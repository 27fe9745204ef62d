#!@shell@
# Installs or updates systemd-boot, and writes an entry for each generation of the system profile, of further profiles, and each
# of their specialisations, as NixOS's systemd-boot-builder does. The argument is the toplevel to boot by default.
# With NIXOS_INSTALL_BOOTLOADER=1 the bootloader itself is installed too.
set -eu
export PATH=@path@
esp=@efiSysMountPoint@
boot=@boot@ # the ESP too, or the partition XBOOTLDR: entries and kernels
profiles=/nix/var/nix/profiles

fail() {
  echo "systemd-boot-builder: $*" >&2
  exit 1
}

[ $# = 1 ] || fail "usage: systemd-boot-builder TOPLEVEL"
defaultToplevel=$(readlink -f "$1")

# require_partition OPTION PATH
require_partition() {
  awk -v path="$2" '$2 == path && $1 ~ /^\// { found = 1 } END { exit !found }' /proc/mounts ||
    fail "$1 = '$2' is not a mounted partition. Is the path configured correctly?"
}
require_partition efiSysMountPoint "$esp"
[ "$boot" = "$esp" ] || require_partition xbootldrMountPoint "$boot"

bootctl() {
  command bootctl --esp-path="$esp" @bootPath@ @variables@ "$1" || fail "bootctl $1 failed ($?)"
}

# sign FILE: in place, where this system signs and the file is an EFI program
sign() {
  [ -n "@signs@" ] && [ "$(head -c 2 "$1")" = MZ ] || return 0
  [ -n "${SLIPWAY_SIGN_KEY:-}" ] && [ -n "${SLIPWAY_SIGN_CERT:-}" ] ||
    fail "$1 needs a signature: SLIPWAY_SIGN_KEY and SLIPWAY_SIGN_CERT must name a key and its certificate"
  sbsign --key "$SLIPWAY_SIGN_KEY" --cert "$SLIPWAY_SIGN_CERT" --output "$1.signed" "$1" ||
    fail "sbsign cannot sign $1"
  mv "$1.signed" "$1"
}

install_bootloader() {
  if [ "${NIXOS_INSTALL_BOOTLOADER:-}" = 1 ]; then
    rm -f "$esp/loader/loader.conf"
    bootctl install
  else
    update_bootloader || return 0
  fi
  sign "$esp/EFI/systemd/systemd-bootx64.efi"
  sign "$esp/EFI/BOOT/BOOTX64.EFI"
}

# update_bootloader: fails where the one that is installed is not older
update_bootloader() {
  installed=$(command bootctl --esp-path="$esp" @bootPath@ status |
    sed -n 's|^[^A-Za-z0-9].*/EFI/\(BOOT\|systemd\)/.*\.efi (systemd-boot \([0-9.]*[^)]*\))$|\2|Ip' | head -n 1)
  [ -n "$installed" ] || fail "no systemd-boot on $esp: run with NIXOS_INSTALL_BOOTLOADER=1 to install it"
  available=$(command bootctl --version | sed -n '1s/.*(\(.*\))$/\1/p')
  # By their characters, as NixOS compares them.
  awk -v installed="$installed" -v available="$available" 'BEGIN { exit !(installed "" < available "") }' || return 1
  echo "updating systemd-boot from $installed to $available"
  bootctl update
}

# What extraFiles and extraEntries put there goes, and comes again where they still say so. A file in .extra-files stands for
# each of them.
replace_extra_files() {
  extra=$boot/EFI/nixos/.extra-files
  mkdir -p "$extra"
  find "$extra" -depth >"$work/extra"
  while IFS= read -r tracked; do
    place=$boot${tracked#"$extra"}
    if [ -d "$tracked" ]; then
      # Others may have files there too.
      [ ! -d "$place" ] || rmdir "$place" 2>/dev/null || :
      rmdir "$tracked"
    else
      rm -f "$place" "$tracked"
    fi
  done <"$work/extra"
  mkdir -p "$extra"
  @copyExtraFiles@ || fail "@copyExtraFiles@ failed"
}

# copy_to_boot STORE_FILE [PATH]: sets $bootPath to where the file is on $boot
copy_to_boot() {
  file=$(readlink -f "$1")
  folder=${file%/*}
  bootPath=${2:-/EFI/nixos/${folder##*/}-${file##*/}.efi}
  echo "$boot$bootPath" >>"$work/kept"
  # A path of its own names the generation, not the content.
  [ ! -e "$boot$bootPath" ] || { [ $# = 2 ] && ! cmp -s "$file" "$boot$bootPath"; } || return 0
  cp "$file" "$boot$bootPath.tmp" || {
    rm -f "$boot$bootPath.tmp"
    free=$(df -P -k "$boot" | awk 'END { print $4 }')
    fail "cannot copy $file ($(stat -c %s "$file") bytes) to $boot ($free KiB free)"
  }
  sign "$boot$bootPath.tmp"
  mv "$boot$bootPath.tmp" "$boot$bootPath"
}

# name_entry NAME SUFFIX FOLDER: sets $entry to the name of the entry's file. Where boots are counted, an entry that is there
# keeps its counters, or that it has none any more.
name_entry() {
  entry=$1$2
  [ -n "@tries@" ] || return 0
  for file in "$3/$1$2" "$3/$1"+[0-9]*"$2"; do
    [ ! -e "$file" ] || {
      entry=${file##*/}
      return 0
    }
  done
  entry=$1+@tries@$2
}

# write_entry GENERATION, for the specification and the profile in the variables of the loop below
write_entry() {
  name=nixos${profile:+-$profile}-generation-$1${specialisation:+-specialisation-$specialisation}
  if [ -e "$toplevel/uki.efi" ]; then
    name_entry "$name" .efi "$boot/EFI/Linux" # systemd-boot takes the title, and so on, from the image
    copy_to_boot "$toplevel/uki.efi" "/EFI/Linux/$entry"
  else
    name_entry "$name" .conf "$boot/loader/entries"
    write_entry_file "$1"
  fi
  newestToplevel=$toplevel
  if [ "$toplevel" = "$defaultToplevel" ]; then
    defaultEntry=$entry
  fi
}

write_entry_file() {
  {
    echo "title @distroName@${profile:+ [$profile]}${specialisation:+ ($specialisation)}"
    echo "sort-key @sortKey@"
    echo "version Generation $1 $label, built on $(date -u -d "@$(stat -c %Z "$toplevel")" +%F)"
    copy_to_boot "$kernel"
    echo "linux $bootPath"
    copy_to_boot "$initrd" ${secrets:+"/EFI/nixos/initrd${profile:+-$profile}-generation-$1.efi"}
    # Fresh, as the secrets may be others by now.
    [ -z "$secrets" ] || { cp "$initrd" "$boot$bootPath" && "$secrets" "$boot$bootPath"; } ||
      fail "$secrets failed"
    echo "initrd $bootPath"
    echo "options init=$init $kernelParams"
    [ ! -s /etc/machine-id ] || echo "machine-id $(head -n 1 /etc/machine-id)"
  } >"$work/entry"
  put "$work/entry" "$boot/loader/entries/$entry"
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

# A line for each generation: its number and link.
for link in $profiles/system-*-link $profiles/system-profiles/*-link; do
  name=${link%-link}
  [ ! -L "$link" ] || echo "${name##*-} $link"
done | sort -n >"$work/generations"
[ -s "$work/generations" ] || fail "$profiles has no generation of the system: refusing to remove all boot loader entries"

install_bootloader
mkdir -p "$boot/EFI/nixos" "$boot/EFI/Linux" "$boot/loader/entries"

# Of the boot specification and then of each of its specialisations: eight lines, the first the specialisation's name.
describe='
  def need(key): .[key] // error("it has no \(key)");
  def lines(name): ."org.nixos.bootspec.v1" | name, need("toplevel"), need("kernel"), need("initrd"), need("init"),
    need("label"), (need("kernelParams") | join(" ")), .initrdSecrets // "";
  lines(""), (."org.nixos.specialisation.v1" // {} | to_entries[] | .key as $name | .value | lines($name))'

defaultEntry=
while read -r generation link <&3; do
  profile=
  case $link in
    $profiles/system-profiles/*)
      profile=${link##*/}
      profile=${profile%-$generation-link}
      ;;
  esac
  if [ ! -e "$link/boot.json" ]; then
    echo "systemd-boot-builder: generation $generation has no boot.json, ignored" >&2
    continue
  fi
  jq -r "$describe" "$link/boot.json" >"$work/specifications" || fail "cannot use $link/boot.json"
  while read -r specialisation && read -r toplevel && read -r kernel && read -r initrd && read -r init &&
    read -r label && read -r kernelParams && read -r secrets; do
    write_entry "$generation"
  done <"$work/specifications"
done 3<"$work/generations"
[ -n "$defaultEntry" ] || fail "no generation in $profiles is $defaultToplevel: set the profile first"

# A pattern takes the first entry of the menu, where the newest generation is first and what has no tries left is last.
if [ -n "@tries@" ] && [ "$newestToplevel" = "$defaultToplevel" ]; then
  defaultEntry="nixos-*"
fi
cat >"$work/loader.conf" <<END
timeout @timeout@
default $defaultEntry
console-mode @consoleMode@
END
put "$work/loader.conf" "$esp/loader/loader.conf"

# What dropped generations left.
for file in "$boot"/loader/entries/nixos*.conf "$boot"/EFI/nixos/* "$boot"/EFI/Linux/nixos*.efi; do
  [ ! -f "$file" ] || grep -q -x -F "$file" "$work/kept" || rm "$file"
done
replace_extra_files
sync -f "$boot"
[ "$boot" = "$esp" ] || sync -f "$esp"

# Shell for a toplevel's `extraFiles`: $out/uki.efi, a unified kernel image of systemd's stub, the kernel, its
# parameters and the initrd. It is made in the toplevel's own derivation, because it names that toplevel's init.
{ packages, linux }:
{ rootInitrd, osRelease }:
''
  stub=${packages.bootctl}/lib/systemd/boot/efi/linuxx64.efi.stub
  printf 'init=%s/init %s' $out "$kernelParams" > cmdline
  printf '%s' ${linux.version} > uname
  # The stub looks for its sections by name, each must have its own place in memory: one after the other, behind
  # the stub's own. The kernel comes last, as the firmware may run it where it is.
  place=$(objdump -h $stub | awk '$1 ~ /^[0-9]+$/ { print $3, $4 }' | while read -r size start; do
    echo $((0x$size + 0x$start))
  done | sort -n | tail -n 1)
  sections=
  section() {
    place=$(((place + 0xffff) / 0x10000 * 0x10000))
    sections="$sections --add-section .$1=$2 --change-section-vma .$1=$place"
    place=$((place + $(stat -L -c %s $2)))
  }
  section osrel ${osRelease}
  section uname uname
  section cmdline cmdline
  section initrd ${rootInitrd}/initrd
  section linux ${linux.kernel}/bzImage
  # -p: otherwise the image has the time of its making.
  objcopy -p $sections $stub $out/uki.efi
  # No checksum, which nothing looks at: it would depend on the hash in $out, and Nix changes that one in a finished
  # output (`--check` does).
  header=$(($(od -A n -t u4 -j 60 -N 4 $out/uki.efi)))
  printf '\0\0\0\0' | dd of=$out/uki.efi bs=1 seek=$((header + 88)) conv=notrunc status=none
''

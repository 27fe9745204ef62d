# The image of ./image.nix, changed as make-disk-image's callers change theirs.
{ system, slipway, debs, manifest }@arguments:
(import ./image.nix (arguments // {
  more = {
    # What the machine that installs has, for the log.
    postInstall = "grep MemTotal /proc/meminfo; cat /sys/bus/pci/devices/*/device";
    extraFlags = [ "--verbose" ];
  };
})).overrideAttrs (old: {
  memSize = 640;
  # Words of a shell, with its quotes and variables.
  QEMU_OPTS = ''-device "edu,addr=0x1e,id=$name"'';
  preVM = old.preVM + ''echo -n "pre " > order'';
  postVM = old.postVM + ''; echo post >> order; cp order "$out"'';
})

# Saves a machine with EFI firmware that has booted the installer, as a derivation, for images to start from: the argument `warmMachine` of
# make-disk-image.nix. Its arguments are those of make-disk-image.nix, and must be the same there: another machine is not
# restored, and the build boots. The state depends on the builder's processor where KVM is used.
{ pkgs
, lib
, OVMF ? pkgs.OVMF.fd
, efiFirmware ? OVMF.firmware
, efiVariables ? OVMF.variables
, memSize ? 1024
, cpus ? 2
, slipway ? pkgs.slipway
, tools ? import ./tools.nix { inherit pkgs; }
, kernel ? pkgs.linux
, kernelImage ? "${kernel}/bzImage"
, kernelModules ? "${lib.getOutput "modules" kernel}/lib/modules/${kernel.modDirVersion}"
, requiredSystemFeatures ? [ ]
  # Further flags of `slipway appliance build --warm`.
, extraFlags ? [ ]
}:

pkgs.runCommand "slipway-warm-machine"
  {
    nativeBuildInputs = [ slipway ] ++ tools;
    inherit requiredSystemFeatures;
  } ''
  export HOME="$NIX_BUILD_TOP" XDG_CACHE_HOME="$NIX_BUILD_TOP/.cache" XDG_CONFIG_HOME="$NIX_BUILD_TOP/.config"
  slipway appliance build --warm --progress plain ${lib.escapeShellArgs
    ([ "--kernel" kernelImage "--modules" kernelModules "--mem-size" "${toString memSize}" "--cpus" "${toString cpus}" ]
      ++ [ "--efi-firmware" "${efiFirmware}" "--efi-variables" "${efiVariables}" ]
      ++ lib.optional (OVMF.systemManagementModeRequired or false) "--efi-firmware-needs-smm"
      ++ extraFlags)}
  mv "$XDG_CACHE_HOME/slipway/warm" "$out"
''

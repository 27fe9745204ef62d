# As much of nixpkgs as ../make-disk-image.nix uses, out of the programs of the host: its builds see those by Nix's
# `sandbox-paths`. `slipway` is the folder that slipway was installed into.
{ slipway, kernel, kernelModules }:
let
  # Nix leaves its structured attributes as a file of bash. Debian has bash in /bin, NixOS does not.
  bash = name: attributes: script: derivation ({
    inherit name;
    system = builtins.currentSystem;
    builder = "/bin/bash";
    args = [ "-euc" ''
      # In its first folder. Debian's Nix 2.8 has another in NIX_ATTRS_SH_FILE, which is not in the sandbox.
      . ./.attrs.sh
      export out="''${outputs[out]}"
      PATH=
      for input in "''${nativeBuildInputs[@]}"; do PATH="$PATH$input/bin:"; done
      export PATH="$PATH/usr/bin:/bin:/usr/sbin:/sbin"
      ${script}
    '' ];
    __structuredAttrs = true;
    nativeBuildInputs = [ ];
  } // attributes);
in
rec {
  runCommand = name: attributes: script:
    bash name (builtins.removeAttrs attributes [ "passthru" ]) script // (attributes.passthru or { });

  writeText = name: text: bash name { inherit text; } ''printf %s "$text" > $out'';

  # The same files as nixpkgs' in the same format: hashes in base 32 with their type, no derivers.
  closureInfo = { rootPaths }: bash "closure-info" { exportReferencesGraph.closure = rootPaths; } ''
    mkdir $out
    python3 ${./closure-info.py} .attrs.json $out
  '';

  OVMF.fd = {
    firmware = "/usr/share/OVMF/OVMF_CODE_4M.fd";
    variables = "/usr/share/OVMF/OVMF_VARS_4M.fd";
  };
  inherit slipway;

  # Where a channel would be made of.
  path = ./channel;

  # Arguments of make-disk-image.nix that have no meaning on Debian.
  debian = {
    tools = [ ];
    kernelImage = kernel;
    inherit kernelModules;
  };
}

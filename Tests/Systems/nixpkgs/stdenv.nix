# `mkDerivation` as nixpkgs has it, as far as NixOS's modules and nix/ use it.
{ shell, initialPath, hostPlatform, cc }:
let
  # What is of the expression, and not of the builder's environment.
  ofTheExpression = [ "meta" "passthru" "pos" "pname" "outputs" ];

  # The name of a unit may have characters that a store path cannot.
  storeName = name:
    if builtins.match "[A-Za-z0-9+_?=-][A-Za-z0-9+._?=-]*" name != null then name
    else builtins.concatStringsSep "-" (builtins.filter (part: builtins.isString part && part != "")
      (builtins.split "[^A-Za-z0-9+._?=-]+" name));

  mkDerivation = attributesOrFunction:
    let
      isFunction = builtins.isFunction attributesOrFunction;
      attributes = if isFunction then attributesOrFunction (attributes // { finalPackage = package; }) else attributesOrFunction;
      name = storeName (attributes.name or "${attributes.pname}-${attributes.version}");
      outputs = attributes.outputs or [ "out" ];
      environment = attributes.env or { };
      built = derivation ((removeAttrs attributes (ofTheExpression ++ [ "env" ])) // environment // {
        inherit name outputs;
        inherit (hostPlatform) system;
        builder = attributes.realBuilder or shell;
        args = attributes.args or [ "-ec" ''
          if [ -e .attrs.sh ]; then . ./.attrs.sh; fi
          . $stdenvSetup
          genericBuild
        '' ];
        stdenvSetup = ./setup.sh;
        SHELL = shell;
        initialPath = builtins.concatStringsSep " " (map (package: "${package}") initialPath);
        nativeBuildInputs = attributes.nativeBuildInputs or [ ];
      });
      package = withAttributes built;
      # Each output has what the package has.
      withAttributes = output: output // builtins.listToAttrs (map
        (name: { inherit name; value = built.${name} // common; })
        outputs) // common // { all = map (name: built.${name} // common) outputs; };
      common = {
        inherit name outputs;
        pname = attributes.pname or (builtins.parseDrvName name).name;
        version = attributes.version or (builtins.parseDrvName name).version;
        meta = { outputsToInstall = [ (builtins.head outputs) ]; available = true; } // (attributes.meta or { });
        passthru = attributes.passthru or { };
        overrideAttrs = change:
          let
            given = if builtins.isFunction change then change attributes else change;
            # Of one argument, or of what comes of it and what was.
            new = attributes // (if builtins.isFunction given then change new attributes else given);
          in mkDerivation new;
        drvAttrs = attributes;
        override = _: package;
      } // (attributes.passthru or { });
    in
    package;
in
{
  inherit mkDerivation shell cc initialPath hostPlatform;
  buildPlatform = hostPlatform;
  targetPlatform = hostPlatform;
  inherit (hostPlatform) system isLinux isx86_64 is64bit isi686 isx86_32 isAarch64 isAarch32 isBigEndian isDarwin isx86;
  allowedRequisites = null;
  bootstrapTools = null;
}

# The trivial builders of nixpkgs: files and folders out of texts and other packages.
{ stdenv, pkgs }:
let
  escape = text: "'${builtins.replaceStrings [ "'" ] [ "'\\''" ] (toString text)}'";
  optional = condition: text: if condition then text else "";

  runCommand = name: attributes: buildCommand: stdenv.mkDerivation
    ({ inherit name buildCommand; }
      // (if attributes.__structuredAttrs or false then { } else { passAsFile = [ "buildCommand" ] ++ attributes.passAsFile or [ ]; })
      // removeAttrs attributes [ "passAsFile" ]);

  writeTextFile =
    { name, text, executable ? false, destination ? "", checkPhase ? "", meta ? { }, allowSubstitutes ? false
    , preferLocalBuild ? true, derivationArgs ? { }, passthru ? { } }:
    runCommand name
      ({
        inherit text checkPhase allowSubstitutes preferLocalBuild passthru;
        passAsFile = [ "text" ];
        meta = (if executable && destination != "" then { mainProgram = baseNameOf destination; } else { }) // meta;
      } // derivationArgs)
      ''
        target=$out${escape destination}
        mkdir -p "$(dirname "$target")"
        cp "$textPath" "$target"
        ${optional executable ''chmod +x "$target"''}
        eval "$checkPhase"
      '';

  checkSyntax = "${stdenv.shell} -n \"$target\"";
  writeText = name: text: writeTextFile { inherit name text; };
  writeShellScript = name: text: writeTextFile {
    inherit name;
    executable = true;
    text = "#!${pkgs.runtimeShell}\n${text}\n";
    checkPhase = checkSyntax;
  };

  # A folder of links: what one path has alone is one link.
  buildEnv =
    { name, paths, pathsToLink ? [ "/" ], ignoreCollisions ? false, checkCollisionContents ? true
    , extraOutputsToInstall ? [ ], extraPrefix ? "", postBuild ? "", passthru ? { }, meta ? { }, manifest ? ""
    , buildInputs ? [ ], nativeBuildInputs ? [ ], ignoreSingleFileOutputs ? false, includeClosures ? false }:
    let
      outputsOf = package:
        let
          wanted = package.meta.outputsToInstall or [ ] ++ extraOutputsToInstall;
          chosen = builtins.filter (output: package ? ${output}) wanted;
        in
        if builtins.isAttrs package && !(package.outputSpecified or false) && chosen != [ ]
        then map (output: "${package.${output}}") chosen
        else [ "${package}" ];
      entries = map (package: { priority = package.meta.priority or 5; paths = outputsOf package; })
        (builtins.filter (package: package != null) paths);
    in
    runCommand name
      {
        inherit passthru meta buildInputs nativeBuildInputs;
        spec = builtins.toJSON { inherit entries pathsToLink ignoreCollisions extraPrefix; };
        passAsFile = [ "spec" ];
        preferLocalBuild = true;
      } ''
      ${pkgs.python3}/bin/python3 ${./build-env.py} "$specPath" $out
      ${postBuild}
    '';

  substitution = { src, postInstall ? "", isExecutable ? false, dir ? null, ... }@attributes:
    stdenv.mkDerivation ((removeAttrs attributes [ "meta" ]) // {
      name = attributes.name or (baseNameOf (builtins.unsafeDiscardStringContext "${src}"));
      inherit isExecutable;
      buildCommand = ''
        target=$out
        ${optional (dir != null) "target=$out/${toString dir}/$name; mkdir -p \"$(dirname \"$target\")\""}
        substituteAll "$src" "$target"
        if [ -n "$isExecutable" ]; then chmod +x "$target"; fi
        eval "$postInstall"
      '';
    });
in
rec {
  inherit runCommand writeTextFile writeText writeShellScript buildEnv;
  runCommandLocal = name: attributes: runCommand name ({ preferLocalBuild = true; allowSubstitutes = false; } // attributes);
  runCommandNoCC = runCommand;
  runCommandCC = runCommand;
  runCommandWith = { name, stdenv ? null, runLocal ? false, derivationArgs ? { } }: runCommand name derivationArgs;

  writeTextDir = path: text: writeTextFile { name = baseNameOf path; inherit text; destination = "/${path}"; };
  writeScript = name: text: writeTextFile { inherit name text; executable = true; };
  writeScriptBin = name: text: writeTextFile { inherit name text; executable = true; destination = "/bin/${name}"; };
  writeShellScriptBin = name: text: writeTextFile {
    inherit name;
    executable = true;
    destination = "/bin/${name}";
    text = "#!${pkgs.runtimeShell}\n${text}\n";
    checkPhase = checkSyntax;
  };
  writeShellApplication = { name, text, runtimeInputs ? [ ], checkPhase ? null, ... }: writeShellScriptBin name ''
    set -o errexit -o nounset -o pipefail
    export PATH="${builtins.concatStringsSep ":" (map (package: "${package}/bin") runtimeInputs)}:$PATH"
    ${text}
  '';
  concatTextFile = { name, files, executable ? false, destination ? "", ... }: runCommand name { inherit files; } ''
    target=$out${destination}
    mkdir -p "$(dirname "$target")"
    cat $files > "$target"
    ${optional executable ''chmod +x "$target"''}
  '';
  concatText = name: files: concatTextFile { inherit name files; };

  symlinkJoin = { name, paths, postBuild ? "", preferLocalBuild ? true, allowSubstitutes ? false, passthru ? { }, meta ? { }, ... }:
    runCommand name { inherit paths passthru meta preferLocalBuild allowSubstitutes; passAsFile = [ "paths" ]; } ''
      mkdir -p $out
      for path in $(cat $pathsPath); do
        ${lndir}/bin/lndir -silent "$path" $out
      done
      ${postBuild}
    '';
  linkFarm = name: entries:
    let
      list = if builtins.isList entries then entries
        else map (entry: { name = entry; path = entries.${entry}; }) (builtins.attrNames entries);
    in
    runCommand name { preferLocalBuild = true; } (''
      mkdir -p $out
      cd $out
    '' + builtins.concatStringsSep "" (map
      (entry: ''
        mkdir -p "$(dirname ${escape entry.name})"
        ln -s ${escape "${entry.path}"} ${escape entry.name}
      '')
      list));
  linkFarmFromDrvs = name: packages: linkFarm name (map (package: { inherit (package) name; path = package; }) packages);

  substituteAll = substitution;
  substituteAllFiles = throw "substituteAllFiles is not in this set";
  substitute = { src, substitutions ? [ ], replacements ? substitutions, ... }@attributes:
    runCommand attributes.name or (baseNameOf (builtins.unsafeDiscardStringContext "${src}")) { inherit src; }
      "substitute \"$src\" $out ${builtins.concatStringsSep " " (map escape replacements)}";
  replaceVarsWith = { src, replacements, dir ? null, isExecutable ? false, ... }@attributes:
    substitution ({ inherit src isExecutable dir; name = attributes.name or (baseNameOf (toString src)); } // replacements);
  replaceVars = src: replacements: replaceVarsWith { inherit src replacements; };

  lndir = writeShellScriptBin "lndir" ''
    if [ "$1" = -silent ]; then shift; fi
    from=$(realpath "$1")
    to=''${2:-.}
    cd "$from"
    find . -mindepth 1 -type d | while read -r folder; do mkdir -p "$to/$folder"; done
    find . -mindepth 1 ! -type d | while read -r file; do
      [ -e "$to/$file" ] || [ -L "$to/$file" ] || ln -s "$from/''${file#./}" "$to/$file"
    done
  '';
  makeWrapper = runCommand "make-wrapper-hook" { } "mkdir -p $out/nix-support; touch $out/nix-support/setup-hook";
  makeBinaryWrapper = makeWrapper;
  makeShellWrapper = makeWrapper;
  makeSetupHook = { name, ... }: script: runCommand name { } "mkdir -p $out/nix-support; cp ${script} $out/nix-support/setup-hook";

  # The files that nixpkgs' has, in their format: hashes in base 32 with their type, no derivers.
  closureInfo = { rootPaths }: runCommand "closure-info"
    {
      __structuredAttrs = true;
      exportReferencesGraph.closure = rootPaths;
      preferLocalBuild = true;
    } ''
    mkdir $out
    ${pkgs.python3}/bin/python3 ${./closure-info.py} .attrs.json $out
  '';
}

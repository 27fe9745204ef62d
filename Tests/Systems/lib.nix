# The few helpers that nixpkgs' stdenv would give. Builders run with the tools of the host (`make setup` installs
# them); nothing of the host gets into an output, because outputs name store paths only.
rec {
  # `script` runs in an empty folder with `$out` set, as /bin/sh -eu.
  run = name: variables: script: derivation (variables // {
    inherit name;
    system = "x86_64-linux";
    builder = "/bin/sh";
    args = [ "-euc" ''
      export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
      export LC_ALL=C TZ=UTC PYTHONDONTWRITEBYTECODE=1 SOURCE_DATE_EPOCH=1
      umask 0022
      ${script}
    '' ];
    preferLocalBuild = true;
  });

  # The text of `file` with each @name@ replaced by `values.name`.
  substitute = file: values:
    let names = builtins.attrNames values;
    in builtins.replaceStrings (map (n: "@${n}@") names) (map (n: toString values.${n}) names)
      (builtins.readFile file);

  # An executable, syntax-checked shell script.
  script = name: text: run name { inherit text; passAsFile = [ "text" ]; } ''
    sh -n "$textPath"
    cp "$textPath" $out
    chmod 0755 $out
  '';

  textFile = name: text: run name { inherit text; passAsFile = [ "text" ]; } "cp \"$textPath\" $out";

  hasPrefix = prefix: text: builtins.substring 0 (builtins.stringLength prefix) text == prefix;
  concat = builtins.concatStringsSep;
  unique = list: builtins.attrNames (builtins.listToAttrs (map (name: { inherit name; value = null; }) list));
}

# A folder out of { "name" = text or { source = path; }; }: the static part of /etc.
{ lib }: entries:
let
  names = builtins.attrNames entries;
  sourceOf = name:
    let entry = entries.${name};
    in if builtins.isString entry then lib.textFile (baseNameOf name) entry else entry.source;
in lib.run "etc" { pairs = lib.concat "\n" (map (name: "${name} ${sourceOf name}") names); } ''
  mkdir -p $out/etc
  printf '%s\n' "$pairs" | while read -r name source; do
    mkdir -p "$(dirname "$out/etc/$name")"
    ln -s "$source" "$out/etc/$name"
  done
''

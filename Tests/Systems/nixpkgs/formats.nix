# Formats of configuration files: the types of options, and JSON. The others are written by modules that no test enables.
{ lib, pkgs }:
let
  value = with lib.types; let
    type = nullOr (oneOf [ bool int float str path (attrsOf type) (listOf type) ]) // { description = "value"; };
  in type;
  only = type: name: _: {
    inherit type;
    generate = file: _: throw "the format ${name} is not in this set: ${file}";
    lib = { };
  };
  atom = with lib.types; nullOr (oneOf [ bool int float str (listOf (oneOf [ bool int float str ])) ]);
  sections = lib.types.attrsOf (lib.types.attrsOf atom);
in
{
  json = _: { type = value; generate = name: content: pkgs.writeText name (builtins.toJSON content); };
  systemd = { type = sections; generate = name: content: pkgs.writeText name (lib.generators.toINI { listsAsDuplicateKeys = true; } content); };
  ini = arguments: {
    type = sections;
    generate = name: content: pkgs.writeText name (lib.generators.toINI (removeAttrs arguments [ "listToValue" "atomsCoercedToLists" ]) content);
  };
  keyValue = arguments: {
    type = lib.types.attrsOf atom;
    generate = name: content: pkgs.writeText name (lib.generators.toKeyValue (removeAttrs arguments [ "listToValue" ]) content);
  };
} // builtins.mapAttrs (name: type: only type name) {
  yaml = value; toml = value; hocon = value; libconfig = value; php = value; pythonVars = value; xml = value; lua = value; cdn = value;
  gitIni = value; elixirConf = value; javaProperties = value; iniWithGlobalSection = value; hcl1 = value; plist = value; kdl = value;
}

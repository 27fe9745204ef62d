# The names of the options that nixpkgs has in this file.
{ lib, ... }:
{
  options.image = lib.genAttrs [ "baseName" "extension" "fileName" "filePath" ]
    (name: lib.mkOption { default = "nixpkgs-${name}"; });
}

# The name of the option that nixpkgs has in this file.
{ lib, ... }:
{
  options.virtualisation.diskSize = lib.mkOption { default = "auto"; };
}

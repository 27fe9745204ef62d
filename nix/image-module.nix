# A NixOS module that adds the variant `slipway` to those of `nixos-rebuild build-image`: `system.build.images.slipway`. Its options
# are those of ./module.nix, and are set in `image.modules.slipway`.
{ lib, options, ... }:
let
  # The first nixpkgs with variants have a list of modules for each, later ones a module.
  takesLists = options.image.modules.type.nestedTypes.elemType.name == "listOf";
in
{
  image.modules.slipway = if takesLists then [ ./module.nix ] else ./module.nix;
}

# An overlay of nixpkgs with `slipway`, which is where ./make-disk-image.nix and the modules look for it.
final: prev: {
  slipway = final.callPackage ./package.nix { };
}

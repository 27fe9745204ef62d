{
  description = "Bootable NixOS disk images, with everything that make-disk-image takes";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    # The sources of Slipway's Swift packages, see nix/package.nix; by default there are none, and no package.
    swift-packages = {
      url = "file+file:///dev/null";
      flake = false;
    };
  };

  outputs = { self, nixpkgs, swift-packages }:
    let
      inherit (nixpkgs) lib;
      eachSystem = lib.genAttrs [ "x86_64-linux" ];
      hasSources = builtins.pathExists "${swift-packages}/swift-system";
      overlay = import ./nix/overlay.nix;

      packages = system: lib.optionalAttrs hasSources rec {
        slipway = (nixpkgs.legacyPackages.${system}.extend overlay).slipway.override {
          packageSources = swift-packages;
        };
        default = slipway;
      };

      # An image of a system that has next to nothing in it.
      image = system: (lib.nixosSystem {
        inherit system;
        modules = [
          self.nixosModules.default
          {
            slipway.package = (packages system).slipway;
            slipway.arguments = { copyChannel = false; touchEFIVars = true; verify = true; };
            boot.kernelParams = [ "console=ttyS0" ];
            documentation.enable = false;
            system.stateVersion = lib.trivial.release;
          }
        ];
      }).config.system.build.image;
    in
    {
      packages = eachSystem packages;
      overlays.default = overlay;
      nixosModules = {
        # `system.build.image`, in the place of nixpkgs' virtualisation/disk-image.nix.
        default = ./nix/module.nix;
        # `system.build.images.slipway`, for `nixos-rebuild build-image --image-variant slipway`.
        image-variant = ./nix/image-module.nix;
        # Virtual machines that start from an image of Slipway's, in the place of virtualisation/qemu-vm.nix.
        qemu-vm = ./nix/qemu-vm.nix;
      };
      lib = {
        makeDiskImage = import ./nix/make-disk-image.nix;
        mkGenerations = import ./nix/generations.nix;
      };
      checks = eachSystem (system: packages system // lib.optionalAttrs hasSources { image = image system; });
    };
}

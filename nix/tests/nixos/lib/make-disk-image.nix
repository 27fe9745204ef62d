# What nixpkgs makes the image with.
arguments: "make-disk-image"

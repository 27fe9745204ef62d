# Slipway's own lists, which `make record` writes anew: formats with the extensions of their files, layouts of the disk, and
# the packages of nixpkgs with the programs that are run.
builtins.fromJSON (builtins.readFile ./lists.json)

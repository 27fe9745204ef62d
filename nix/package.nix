# Slipway, built from this checkout. `overlay.nix` gives it the packages of nixpkgs by their names.
{ lib
, stdenv
, autoPatchelfHook
, pkg-config
, python3
, e2fsprogs
, libguestfs
, libguestfs-with-appliance ? libguestfs
, libvirt
, sqlite
, zlib
  # Whether `slipway diff` and `slipway inspect` find a libguestfs, which reads filesystems other than ext4 and FAT, and is large.
, withLibguestfs ? false
  # A toolchain of Swift 6.2 or later with bin/swift, which compiles and links by itself and has the static standard library:
  # the agent is one static executable.
, swift
  # A folder with the sources of every Swift package that Package.swift names, and of those that these need, each in a folder
  # of its repository's name: as `.build/checkouts` after `swift package resolve`.
, packageSources ? throw "slipway: give the sources of its Swift packages, as slipway.override { packageSources = ./checkouts; }"
}:

let
  # Not an assertion: `override` has to be there with the Swift of a nixpkgs that is too old.
  toolchain = lib.throwIfNot (lib.versionAtLeast (swift.version or "6.2") "6.2")
    "slipway: it needs Swift 6.2 or later, and this is ${swift.version}; give another, as slipway.override { swift = …; }"
    swift;
  version = builtins.head (builtins.match ''.*static let current = "([^"]*)".*''
    (builtins.readFile ../Sources/ImageModel/SlipwayVersion.swift));
in
stdenv.mkDerivation {
  pname = "slipway";
  inherit version;

  # What is built, and no folder that a build has made.
  src = builtins.path {
    name = "slipway-source";
    path = ../.;
    filter = path: type: lib.elem (lib.head (lib.splitString "/" (lib.removePrefix "${toString ../.}/" path)))
      [ "Makefile" "Package.swift" "Sources" "Tests" "ovmf" "scripts" "vm-templates" ];
  };

  nativeBuildInputs = [ autoPatchelfHook pkg-config python3 toolchain ];
  buildInputs = [ e2fsprogs libguestfs libvirt sqlite zlib ];
  runtimeDependencies = lib.optional withLibguestfs libguestfs-with-appliance;

  # There is no network: the packages are folders of this one, for those that need each other too.
  postPatch = ''
    cp -R --no-preserve=mode ${packageSources} packages
    sed -i -E 's|url: "[^"]*/([^/"]+)", from: "[^"]*"|path: "packages/\1"|' Package.swift
    patchShebangs scripts
  '';
  env.SWIFTCI_USE_LOCAL_DEPS = "1";

  buildPhase = ''
    runHook preBuild
    export HOME="$NIX_BUILD_TOP"
    make build
    runHook postBuild
  '';
  installPhase = ''
    runHook preInstall
    make install PREFIX="$out"
    runHook postInstall
  '';

  meta = {
    description = "Builds bootable NixOS disk images";
    mainProgram = "slipway";
    platforms = [ "x86_64-linux" ];
  };
}

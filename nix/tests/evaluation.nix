# What can be seen without a build: `nix-instantiate --eval --strict --json` gives the specs by name, and for each
# refusal whether it was refused.
{ system, slipway, debs, manifest }:
let
  lib = import ./lib.nix;
  pkgs = import ../../Tests/Systems/nixpkgs { inherit lib debs manifest; } // {
    inherit slipway;
    # Where a channel would be made of.
    path = ./channel;
  };
  toplevel = builtins.storePath system;
  config = {
    system.build.toplevel = toplevel;
    system.nixos = { version = "24.11"; versionSuffix = ".test"; };
    boot.loader.grub.enable = false;
    boot.loader.efi.efiSysMountPoint = "/boot";
  };
  # The same with another bootloader.
  withLoader = loader: config // { boot.loader = config.boot.loader // loader; };

  image = arguments: import ../make-disk-image.nix
    ({ inherit pkgs lib config; copyChannel = false; } // arguments);
  specOf = arguments: (image arguments).spec;

  # A module's options at their defaults, with `settings` over them, and what the module sets. `release` is the nixpkgs
  # whose files of options there are.
  evaluate = release: module: settings:
    let
      # With those of what the module imports.
      arguments = { config = config'; inherit lib pkgs; modulesPath = ./modules + "/${release}"; };
      imported = map (file: if builtins.isAttrs file then file else import file arguments) module'.imports;
      options = builtins.foldl' (all: more: all // lib.mapAttrs (name: set: all.${name} or { } // set) more)
        module'.options (map (file: file.options or { }) imported);
      defaults = lib.mapAttrs (name: lib.mapAttrs (option: value: value.default or null)) options;
      config' = lib.mapAttrs (name: set: (defaults.${name} or { }) // (settings.${name} or { }) // set) {
        image = { };
        slipway = { };
        virtualisation = { };
        system = config.system // { nixos = config.system.nixos // { label = "label"; }; };
        boot = settings.boot or config.boot;
      };
      module' = module arguments;
    in
    module'.config // { inherit (module') imports; inherit options; config = config'; };
  moduleWith = evaluate "25.05" (import ../module.nix);
  moduleOf = release: evaluate release (import ../module.nix) { slipway.arguments.copyChannel = false; };

  # As nixpkgs' callPackage, with what ../package.nix takes.
  callPackage = file: arguments:
    let
      function = import file;
      all = pkgs // {
        inherit lib;
        stdenv.mkDerivation = attributes:
          pkgs.runCommand "${attributes.pname}-${attributes.version}" (builtins.removeAttrs attributes [ "meta" ]) "";
        autoPatchelfHook = null;
        pkg-config = null;
        python3 = null;
        libguestfs = null;
        libvirt = null;
        sqlite = null;
        zlib = null;
        swift.version = "5.10.1";
      };
      make = given:
        function (builtins.intersectAttrs (builtins.functionArgs function) all // given)
        // { override = more: make (given // more); };
    in
    make arguments;
  extend = overlay: let final = pkgs // { inherit callPackage; } // overlay final pkgs; in final;
  built = (extend (import ../overlay.nix)).slipway.override {
    swift = { version = "6.2"; outPath = "/swift"; };
    packageSources = "/checkouts";
  };

  # A flake's outputs, with a nixpkgs whose nixosSystem is the module above.
  flake = swift-packages:
    let
      self = (import ../../flake.nix).outputs {
        inherit self swift-packages;
        nixpkgs = {
          lib = lib // {
            nixosSystem = { system, modules }: {
              config = evaluate "25.05" (import (lib.head modules)) (builtins.elemAt modules 1 // { boot = config.boot; });
            };
          };
          legacyPackages.x86_64-linux = { inherit extend; };
        };
      };
    in
    self;

  # Two generations; the second is another store path.
  second = config // {
    system = config.system // { build.toplevel = builtins.toFile "second" ""; };
    boot.loader = config.boot.loader // { grub = { enable = true; device = "/dev/sdb"; }; };
  };
  twoWith = more: image {
    config = config;
    generations = import ../generations.nix ({ systems = [ { inherit config; } second ]; } // more);
  };

  refuses = arguments: !(builtins.tryEval (builtins.deepSeq (specOf arguments) true)).success;
in
{
  specs = {
    defaults = specOf { };
    efi = specOf { partitionTableType = "efi"; touchEFIVars = true; format = "qcow2"; };
    untouched = specOf { partitionTableType = "efi"; touchEFIVars = true; installBootLoader = false; };
    fixed = specOf { partitionTableType = "hybrid"; diskSize = 2048; bootSize = "128M"; };
    storeWithChannel = specOf {
      onlyNixStore = true; installBootLoader = false; partitionTableType = "none"; copyChannel = true;
    };
    legacyBoot = specOf { partitionTableType = "legacy+boot"; bootSize = "64M"; };
    reproducible = specOf { reproducible = true; rootFSHashSeed = "00000000-0000-0000-0000-000000000001"; };
    store = specOf { onlyNixStore = true; installBootLoader = false; partitionTableType = "none"; fsType = "erofs"; };
    smm = specOf {
      partitionTableType = "efi";
      OVMF = { firmware = "/f/CODE.fd"; variables = "/f/VARS.fd"; systemManagementModeRequired = true; };
    };
    seeded = specOf { deterministic = false; rootFSUID = null; };
    grub = specOf {
      config = withLoader {
        grub = { enable = true; device = "/dev/sda"; devices = [ "/dev/sda" "/dev/vda" "nodev" "/dev/disk/by-id/b" ]; };
      };
    };
    limine = specOf {
      config = withLoader { limine = { enable = true; biosSupport = true; biosDevice = "/dev/sdb"; }; };
    };
    limineByEFI = specOf {
      config = withLoader { limine = { enable = true; biosSupport = false; biosDevice = "/dev/sdb"; }; };
    };
    esp = specOf { partitionTableType = "hybrid"; config = withLoader { efi.efiSysMountPoint = "/boot/efi"; }; };
    espOfXBootLdr = specOf {
      partitionTableType = "efixbootldr";
      config = withLoader { efi.efiSysMountPoint = "/efi"; };
    };
    # Without an ESP it is nobody's.
    espOfBIOS = specOf { config = withLoader { efi.efiSysMountPoint = "/boot/efi"; }; };
    contents = specOf {
      contents = [
        { source = ./lib.nix; target = "etc/lib.nix"; mode = "0600"; user = "root"; group = "root"; }
        { source = "${toplevel}/*"; target = "/srv"; mode = "u=rwX,go=rX"; }
      ];
      configFile = ./lib.nix;
      additionalPaths = [ toplevel ];
    };
    generations = (twoWith { current = 1; profile = "test"; }).spec;
    extra = specOf { cpus = 4; extraSpec = { cpus = 1; seed = "00000000-0000-0000-0000-000000000001"; }; };
    module = (moduleWith {
      image.baseName = "host";
      slipway.arguments.copyChannel = false;
    }).system.build.image.spec;
    biosModule = (moduleWith {
      image = { baseName = "host"; efiSupport = false; format = "vpc"; };
      slipway.arguments = { copyChannel = false; fsType = "xfs"; partitionTableType = "legacy+gpt"; };
    }).system.build.image.spec;
  };

  hooks = specOf {
    copyChannel = true;
    postVM = "cat ${toplevel}/system";
    preVM = "true";
    postInstall = "sync";
    formats = [ "raw" ];
  };

  # The text of a hook is among what is built before the image, with the store paths in it.
  context = builtins.attrNames (builtins.getContext (image { postVM = "cat ${toplevel}/system"; }).postVM);

  # What make-disk-image has as attributes, and overrideAttrs changes.
  attributes =
    let
      changed = (image { preVM = "a"; extraSpec.memSize = 512; }).overrideAttrs (old: {
        preVM = old.preVM + "b"; postVM = old.postVM + "c"; memSize = old.memSize * 2; QEMU_OPTS = "-device edu";
      });
    in
    { inherit (changed) preVM postVM memSize QEMU_OPTS; inFile = (image { preVM = "a"; }).specFile.text; };

  package = {
    inherit (built) name postPatch;
    # With nixpkgs' Swift, and without the sources of packages.
    isRefused = map (package: !(builtins.tryEval package.drvPath).success) [
      (extend (import ../overlay.nix)).slipway (built.override { swift.version = "5.10.1"; })
    ];
    isBuilt = (builtins.tryEval built.drvPath).success;
  };
  flake =
    let given = flake (toString ./packages);
    in {
      outputs = builtins.attrNames (flake "/dev/null");
      without = (flake "/dev/null").packages;
      packages = lib.mapAttrs (system: lib.mapAttrs (name: package: package.name)) given.packages;
      checks = lib.mapAttrs (system: lib.mapAttrs (name: package: package.name)) given.checks;
      image = given.checks.x86_64-linux.image.spec;
    };

  module = {
    inherit (moduleWith { image.baseName = "host"; }) imports;
    extensions = map (format: (moduleWith { image = { inherit format; }; }).image.extension)
      [ "raw" "qcow2" "vdi" "vpc" "vmdk" "vhdx" "qcow2-compressed" "raw.zst" "vpc-fixed" "vmdk-stream" "raw.tar.gz" ];
    root = (moduleWith { slipway.arguments.fsType = "xfs"; }).fileSystems.content."/".fsType;
    mounts = builtins.attrNames
      (moduleWith { boot = config.boot // { loader.efi.efiSysMountPoint = "/efi"; }; }).fileSystems.content;
    # By release: which of nixpkgs' files are imported, and what the image is without a setting.
    releases = lib.genAttrs [ "23.11" "24.11" "25.05" ] (release:
      let module = moduleOf release;
      in {
        files = map baseNameOf (lib.filter (file: !builtins.isAttrs file) module.imports);
        inherit (module.system.build.image.spec) diskSize;
        inherit (module.config.image) filePath;
      });
    variants = map
      (kind: builtins.typeOf (import ../image-module.nix {
        inherit lib;
        options.image.modules.type.nestedTypes.elemType.name = kind;
      }).image.modules.slipway) [ "listOf" "deferredModule" ];
  };

  refused = lib.mapAttrs (name: refuses) {
    partitionTableType = { partitionTableType = "gpt"; };
    rootFSUID = { rootFSUID = null; };
    touchEFIVars-legacy = { touchEFIVars = true; };
    touchEFIVars-none = { partitionTableType = "none"; touchEFIVars = true; };
    onlyNixStore-bootloader = { onlyNixStore = true; };
    onlyNixStore-contents = {
      onlyNixStore = true;
      installBootLoader = false;
      contents = [{ source = "/a"; target = "/a"; }];
    };
    onlyNixStore-configFile = { onlyNixStore = true; installBootLoader = false; configFile = "/a"; };
    user = { contents = [{ source = "/a"; target = "/a"; user = "root"; }]; };
    group = { contents = [{ source = "/a"; target = "/a"; group = "root"; user = null; }]; };
    populateRootWith = { populateRootWith = "tar"; };
    populateRootWith-xfs = { populateRootWith = "mke2fs"; fsType = "xfs"; };
    reproducible-cptofs = { reproducible = true; populateRootWith = "cptofs"; };
    reproducible-random = { reproducible = true; deterministic = false; };
    touchEFIVars-legacyBoot = { partitionTableType = "legacy+boot"; touchEFIVars = true; };
    discardReferences = { discardReferences = true; postVM = "true"; };
    generations-onlyNixStore = {
      onlyNixStore = true;
      installBootLoader = false;
      generations = import ../generations.nix { systems = [ config second ]; };
    };
    generations-esp = {
      partitionTableType = "efi";
      generations = import ../generations.nix {
        systems = [ config (second // { boot.loader.efi.efiSysMountPoint = "/efi"; }) ];
      };
    };
  } // lib.mapAttrs (name: more: !(builtins.tryEval (builtins.deepSeq (twoWith more).spec true)).success) {
    generations-empty = { systems = [ ]; };
    generations-current = { current = 3; };
    generations-profile = { profile = "a-b"; };
    generations-twice = { systems = [ config config ]; };
  };
  # The same questions, where the answer is no.
  accepted = lib.mapAttrs (name: arguments: !refuses arguments) {
    touchEFIVars = { partitionTableType = "legacy+gpt"; touchEFIVars = true; };
    onlyNixStore = { onlyNixStore = true; installBootLoader = false; };
    populateRootWith = { populateRootWith = "mke2fs"; fsType = "ext2"; partitionTableType = "none"; };
    reproducible = { reproducible = true; };
    rootFSUID = { rootFSUID = null; deterministic = false; };
    both = { contents = [{ source = "/a"; target = "/a"; user = "1"; group = "2"; }]; };
    neither = { contents = [{ source = "/a"; target = "/a"; user = null; group = null; }]; };
  };
}

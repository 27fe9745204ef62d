# What can be seen without a build: `nix-instantiate --eval --strict --json` gives the specs by name, and for each
# refusal whether it was refused.
{ system, slipway, kernel, kernelModules }:
let
  lib = import ./lib.nix;
  pkgs = import ./pkgs.nix { inherit slipway kernel kernelModules; };
  toplevel = builtins.storePath system;
  config = {
    system.build.toplevel = toplevel;
    system.nixos = { version = "24.11"; versionSuffix = ".test"; };
    boot.loader.grub.enable = false;
  };

  image = arguments: import ../make-disk-image.nix
    ({ inherit pkgs lib config; copyChannel = false; } // pkgs.debian // arguments);
  specOf = arguments: (image arguments).spec;

  # A module's options at their defaults, with `settings` over them, and what the module sets.
  evaluate = module: settings:
    let
      defaults = lib.mapAttrs (name: lib.mapAttrs (option: value: value.default or null)) module'.options;
      config' = lib.mapAttrs (name: set: (defaults.${name} or { }) // (settings.${name} or { }) // set) {
        image = { };
        slipway = { };
        virtualisation.diskSize = "auto";
        inherit (config) system boot;
      };
      module' = module { config = config'; inherit lib pkgs; modulesPath = "/nixpkgs/nixos/modules"; };
    in
    module'.config // { inherit (module') imports; };
  moduleWith = settings: evaluate (import ../module.nix) settings;

  refuses = arguments: !(builtins.tryEval (builtins.deepSeq (specOf arguments) true)).success;
in
{
  specs = {
    defaults = specOf { };
    efi = specOf { partitionTableType = "efi"; touchEFIVars = true; format = "qcow2"; };
    untouched = specOf { partitionTableType = "efi"; touchEFIVars = true; installBootLoader = false; };
    fixed = specOf { partitionTableType = "hybrid"; diskSize = 2048; bootSize = "128M"; };
    store = specOf { onlyNixStore = true; installBootLoader = false; partitionTableType = "none"; fsType = "erofs"; };
    smm = specOf {
      partitionTableType = "efi";
      OVMF = { firmware = "/f/CODE.fd"; variables = "/f/VARS.fd"; systemManagementModeRequired = true; };
    };
    seeded = specOf { deterministic = false; rootFSUID = null; };
    grub = specOf {
      config = config // { boot.loader.grub = { enable = true; device = ""; devices = [ "/dev/sda" ]; }; };
    };
    contents = specOf {
      contents = [
        { source = ./lib.nix; target = "etc/lib.nix"; mode = "0600"; user = "root"; group = "root"; }
        { source = "${toplevel}/*"; target = "/srv"; }
      ];
      configFile = ./lib.nix;
      additionalPaths = [ toplevel ];
    };
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
  context = builtins.attrNames (builtins.getContext
    (image { postVM = "cat ${toplevel}/system"; }).specFile.text);

  module = {
    inherit (moduleWith { image.baseName = "host"; }) imports;
    extensions = map (format: (moduleWith { image = { inherit format; }; }).image.extension)
      [ "raw" "qcow2" "vdi" "vpc" "vmdk" "vhdx" "qcow2-compressed" "raw.zst" "vpc-fixed" "vmdk-stream" "raw.tar.gz" ];
    root = (moduleWith { slipway.arguments.fsType = "xfs"; }).fileSystems.content."/".fsType;
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
    discardReferences = { discardReferences = true; postVM = "true"; };
  };
  # The same questions, where the answer is no.
  accepted = lib.mapAttrs (name: arguments: !refuses arguments) {
    touchEFIVars = { partitionTableType = "legacy+gpt"; touchEFIVars = true; };
    onlyNixStore = { onlyNixStore = true; installBootLoader = false; };
    rootFSUID = { rootFSUID = null; deterministic = false; };
    both = { contents = [{ source = "/a"; target = "/a"; user = "1"; group = "2"; }]; };
    neither = { contents = [{ source = "/a"; target = "/a"; user = null; group = null; }]; };
  };
}

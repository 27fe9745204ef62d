# What ../qemu-vm.nix makes of the options of a virtual machine, as JSON by `nix-instantiate --eval --strict --json`. Nothing
# is built, so the packages are names.
let
  lib = import ./lib.nix;
  pkgs = {
    slipway = "/slipway";
    linux = { outPath = "/linux"; modDirVersion = "6"; };
    closureInfo = { rootPaths }: "/closure-of${toString rootPaths}";
    runCommand = name: attributes: script: { inherit name script; } // attributes.passthru or { };
    writeText = name: text: "/${name}";
    OVMF.fd = { };
  };

  # A definition, without what says whether and how much it counts.
  resolved = value:
    if !builtins.isAttrs value then value
    else if value._type or "" == "if" then if value.condition then resolved value.content else null
    else if value._type or "" == "override" then resolved value.content
    else lib.filterAttrs (name: value: value != null) (lib.mapAttrs (name: resolved) value);

  evaluate = settings:
    let
      arguments = { inherit config lib pkgs; modulesPath = ./nixos/modules; };
      module = import ../qemu-vm.nix arguments;
      machine = lib.head module.imports arguments;
      defaults = options: lib.mapAttrs (name: option: if option._type or "" == "option" then option.default else defaults option) options;
      virtualisation = defaults machine.options.virtualisation;
      config = {
        virtualisation = virtualisation // {
          slipway = defaults module.options.virtualisation.slipway // settings.slipway or { };
        } // builtins.removeAttrs settings [ "slipway" ];
        system.build = { toplevel = "/toplevel"; } // machine.config.system.build;
        system.nixos = { version = "24.11"; versionSuffix = ""; };
        boot.loader.grub = { enable = true; device = "/dev/disk/by-id/virtio-root"; };
        nix = { enable = true; package.out = "/nix"; };
      };
      image = config.system.build.systemImage;
    in
    {
      inherit (config.system.build) common;
      disabled = map baseNameOf module.disabledModules;
      image = if builtins.isString image then image else image.spec or image.script;
      settings = resolved { inherit (module.config) virtualisation boot; };
      failures = map (assertion: assertion.message) (lib.filter (assertion: !assertion.assertion) module.config.assertions);
    };
  with' = slipway: settings: evaluate (settings // { slipway = { enable = true; } // slipway; });
  host = with' { store = "host"; };
in
{
  off = evaluate { };
  efi = with' { } { };
  bios = with' { } { useEFIBoot = false; };
  ownLayout = with' { arguments = { partitionTableType = "efixbootldr"; extraSpec.cpus = 1; }; } { };
  ownFilesystems = with' { } { useDefaultFilesystems = false; };
  hostEFI = host { };
  hostBIOS = host { useEFIBoot = false; };
  hostOwn = with' { store = "host"; arguments = { partitionTableType = "efixbootldr"; extraSpec.cpus = 1; }; } { };
  hostDirect = host { useBootLoader = false; };
  small = host { diskSize = 256; };
}

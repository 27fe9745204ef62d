# Debian's kernel with its modules packed by xz, as a package of nixpkgs: outputs, `config`, `extend`, `override`.
{ pkgs, lib, image }:
let
  release = builtins.head (builtins.match ".*linux-image-([^_]*)_.*" (builtins.unsafeDiscardStringContext "${image}"));
  version = builtins.head (builtins.match "([0-9.]+).*" release);

  built = pkgs.stdenv.mkDerivation {
    pname = "linux";
    inherit version release image;
    outputs = [ "out" "modules" "dev" ];
    buildCommand = ''
      ${pkgs.dpkg}/bin/dpkg-deb --fsys-tarfile $image > image.tar
      mkdir -p $out/lib $modules/lib $dev
      tar -xO -f image.tar ./boot/vmlinuz-$release > $out/bzImage
      tar -xO -f image.tar ./boot/config-$release > $dev/config
      tar -xO -f image.tar ./boot/System.map-$release > System.map
      mkdir tree
      tar -x -f image.tar --no-same-owner -C tree
      mv tree{/usr,}/lib/modules $modules/lib/ 2> /dev/null || [ -d $modules/lib/modules/$release ]
      rm -f $modules/lib/modules/$release/{build,source}
      depmod=${pkgs.kmod}/bin/depmod
      $depmod -b $modules -F System.map $release
      ln -s $modules/lib/modules $out/lib/modules
    '';
    meta.branch = lib.versions.majorMinor version;
  };

  settings = builtins.listToAttrs (builtins.concatMap
    (line:
      let parts = if builtins.isString line then builtins.match "CONFIG_([A-Za-z0-9_]+)=(.*)" line else null;
      in if parts == null then [ ] else [{ name = builtins.head parts; value = builtins.elemAt parts 1; }])
    (builtins.split "\n" (builtins.readFile "${built.dev}/config")));
  config = rec {
    isSet = option: settings ? ${option};
    getValue = option: settings.${option} or null;
    isYes = option: getValue option == "y";
    isNo = option: !isSet option;
    isModule = option: getValue option == "m";
    isEnabled = option: isYes option || isModule option;
    isDisabled = option: isNo option;
  };

  kernel = { features ? { efiBootStub = true; ia32Emulation = true; }, kernelPatches ? [ ], randstructSeed ? "" }@arguments: built // {
    modDirVersion = release;
    inherit config features kernelPatches version;
    isZen = false; isHardened = false; isLibre = false; isXen = false;
    kernelOlder = lib.versionOlder version;
    kernelAtLeast = wanted: !(lib.versionOlder version wanted);
    override = change: kernel (arguments // (if builtins.isFunction change then change arguments else change));
  };

  extensible = make:
    let self = make self // { extend = change: extensible (self': let before = make self'; in before // change self' before); };
    in self;
in
rec {
  linux = kernel { };
  linux_latest = linux;
  linuxPackagesFor = kernel: extensible (self: {
    inherit kernel;
    inherit (pkgs) stdenv;
    kernelOlder = self.kernel.kernelOlder;
    kernelAtLeast = self.kernel.kernelAtLeast;
  });
  linuxPackages = linuxPackagesFor linux;
  linuxPackages_latest = linuxPackages;

  aggregateModules = modules:
    let
      make = { name ? "kernel-modules" }: pkgs.buildEnv {
        inherit name;
        paths = modules;
        pathsToLink = [ "/lib/modules" ];
        ignoreCollisions = true;
        # depmod replaces what is a link to one of the trees.
        postBuild = ''
          if [ -L $out/lib/modules ] || [ -L $out/lib ]; then
            source=$(readlink -f $out/lib/modules)
            rm -rf $out/lib && mkdir -p $out/lib/modules
            for tree in $source/*; do
              mkdir $out/lib/modules/''${tree##*/}
              ln -s $tree/* $out/lib/modules/''${tree##*/}/
            done
          fi
        '';
      } // { override = make; };
    in
    make { };

  # The modules that are wanted in an initrd, with those that they need.
  makeModulesClosure = { rootModules, kernel, firmware, allowMissing ? false, ... }: pkgs.runCommand "linux-modules-shrunk"
    { inherit rootModules kernel allowMissing; } ''
    modprobe="${pkgs.kmod}/bin/modprobe -d $kernel -C $PWD/none"
    mkdir none
    release=$(basename "$kernel"/lib/modules/*)
    target=$out/lib/modules/$release
    mkdir -p $target
    : > files
    for module in $rootModules; do
      if ! $modprobe -S "$release" --show-depends "$module" > found 2> errors; then
        if [ -z "$allowMissing" ]; then cat errors >&2; exit 1; fi
        continue
      fi
      awk '$1 == "insmod" { print $2 }' found >> files
    done
    sort -u files | while read -r file; do
      place=$out/''${file#"$kernel"/}
      mkdir -p "$(dirname "$place")"
      cp "$(readlink -f "$file")" "$place"
    done
    cp "$kernel/lib/modules/$release"/modules.{builtin,builtin.modinfo,order} $target/
    ${pkgs.kmod}/bin/depmod -b $out "$release"
  '';
}

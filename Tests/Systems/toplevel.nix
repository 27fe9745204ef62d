# A system with the interface of a NixOS toplevel.
{ lib, packages, linux, initrd }:
{ name
, label ? "NixOS 24.11 (Linux ${linux.version})"
, kernelParams ? [ ]
, rootInitrd ? initrd { }
, etc                     # folder: becomes /etc by links
, accounts                # folder: passwd, group, shadow of a new machine
, software                # packages: their programs are in sw/bin
, links                   # { "/compiled/in" = "/nix/store/..."; }
, modprobe                # program that the kernel calls
, firstProcess            # command of process 1
, installBootloader       # program, called with the toplevel
, afterSwitch ? ""        # shell: what `switch` does after activation
, activationScript ? null # text instead of the usual one
, hasSwitch ? true        # false: no bin/switch-to-configuration, as `system.switch.enable = false`
, specialisations ? { }   # { name = toplevel; }
, extraDependencies ? [ ] # store paths that the system needs for nothing, as `system.extraDependencies`
, initrdSecrets ? null    # { "/path/in/initrd" = "/file/of/the/machine"; }, as `boot.initrd.secrets`
, extraFiles ? ""         # shell that adds to $out what names the toplevel itself
}:
let
  inherit (lib) concat run substitute;

  sw = run "system-path" { paths = map (p: "${p}") software; } ''
    mkdir -p $out/bin
    for path in $paths; do
      for program in $path/bin/* $path/sbin/*; do
        [ ! -e $program ] || [ -e $out/bin/''${program##*/} ] || ln -s $program $out/bin/''${program##*/}
      done
    done
    ln -s bin $out/sbin
  '';

  linksFile = lib.textFile "compiled-in-paths"
    (concat "" (map (path: "${path} ${links.${path}}\n") (builtins.attrNames links)));

  values = {
    inherit modprobe firstProcess installBootloader afterSwitch etc accounts;
    links = linksFile;
    shell = "${packages.busybox}/bin/sh";
    # busybox last: it has every tool that these scripts use, but for flock.
    path = concat ":" (map (p: "${p}/bin") [ packages.flock packages.busybox ]);
    systemConfig = "@systemConfig@"; # known to the builder below
  };

  bootspecOf = toplevel: { label, kernelParams, initrd }: {
    "org.nixos.bootspec.v1" = {
      inherit label kernelParams initrd toplevel;
      system = "x86_64-linux";
      init = "${toplevel}/init";
      kernel = "${linux.kernel}/bzImage";
    } // (if initrdSecrets == null then { } else { initrdSecrets = "${toplevel}/append-initrd-secrets"; });
  };
  # Takes the initrd to append to. Not compressed: so a test can see what is in it.
  appendSecrets = lib.script "append-initrd-secrets" ''
    #!${packages.busybox}/bin/sh
    set -eu
    export PATH=${packages.busybox}/bin
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    ${concat "\n" (map (path: "mkdir -p $work${dirOf path}; cp ${initrdSecrets.${path}} $work${path}")
      (builtins.attrNames initrdSecrets))}
    (cd "$work" && find . | sort | cpio -o -H newc) >>"$1"
  '';

  boot = { inherit label kernelParams; initrd = "${rootInitrd}/initrd"; };
  bootspec = bootspecOf (builtins.placeholder "out") boot // {
    "org.nixos.specialisation.v1" =
      builtins.mapAttrs (_: child: bootspecOf "${child}" child.boot) specialisations;
  };
in
run "nixos-system-${name}" {
  init = substitute ./system/init.sh values;
  activate = if activationScript != null then activationScript else substitute ./system/activate.sh values;
  switchToConfiguration = if hasSwitch then substitute ./system/switch-to-configuration.sh values else "";
  bootspec = builtins.toJSON bootspec;
  passAsFile = [ "init" "activate" "switchToConfiguration" "bootspec" ];
  inherit etc sw label kernelParams rootInitrd;
  inherit (linux) kernel modules;
  extraDependencies = map (path: "${path}") extraDependencies;
  children = concat "\n" (map (n: "${n} ${specialisations.${n}}") (builtins.attrNames specialisations));
} ''
  # script SOURCE TARGET
  script() {
    mkdir -p "''${2%/*}"
    sed "s|@systemConfig@|$out|g" "$1" > "$2"
    sh -n "$2"
    chmod 0755 "$2"
  }
  mkdir -p $out/specialisation
  script "$initPath" $out/init
  script "$activatePath" $out/activate
  [ ! -s "$switchToConfigurationPath" ] || script "$switchToConfigurationPath" $out/bin/switch-to-configuration
  cp "$bootspecPath" $out/boot.json

  ln -s $kernel/bzImage $out/kernel
  ln -s $modules $out/kernel-modules
  ln -s $rootInitrd/initrd $out/initrd
  ln -s $etc $out/etc
  ln -s $sw $out/sw
  printf '%s' "$kernelParams" > $out/kernel-params
  printf '%s' "''${label%% (*}" | sed 's/^NixOS //' > $out/nixos-version
  printf '%s' x86_64-linux > $out/system
  printf '%s' 'systemd 252' > $out/init-interface-version
  printf '%s' "$extraDependencies" > $out/extra-dependencies
  printf '%s\n' "$children" | while read -r child toplevel; do
    [ -z "$child" ] || ln -s $toplevel $out/specialisation/$child
  done
  ${if initrdSecrets == null then "" else "ln -s ${appendSecrets} $out/append-initrd-secrets"}
  ${extraFiles}
'' // { inherit boot; }

# Store paths out of Debian packages. `debs`: a folder of .deb files; `manifest`: the file that lists the ones to use.
# The result has an attribute for each group below and each other package, by its Debian name.
{ lib, debs, manifest }:
let
  inherit (lib) run unique;

  # Packages that are one store path: they need each other, or one is useless without the other. `with'`: what their
  # scripts and units name, beside what their ELF files need. `only`: these files and folders.
  groups = {
    glibc.debs = [ "libc6" "libgcc-s1" "libc-bin" ];
    systemd = {
      debs = [ "systemd" "libsystemd-shared" "systemd-sysv" "udev" "systemd-boot" "systemd-boot-efi" ];
      with' = [ "util-linux" "kmod" "coreutils" "bash" "login" ];
    };
    # bootctl alone, for a system without systemd.
    bootctl = {
      debs = [ "systemd-boot" "systemd-boot-efi" "libsystemd-shared" ];
      only = [ "bin/bootctl" "lib/systemd/boot" "lib/x86_64-linux-gnu/systemd/libsystemd-shared-252.so" ];
    };
    # grub-install has what it calls built in (grub-mkimage, grub-bios-setup, grub-probe). It writes EFI variables by
    # libefivar, so no efibootmgr is needed.
    grub = {
      debs = [ "grub-common" "grub2-common" ];
      only = [ "bin/grub-editenv" "bin/grub-script-check" "sbin/grub-install" "sbin/grub-probe" ];
    };
    # The parts of GRUB that run without an operating system, out of which grub-install makes an image.
    grub-i386-pc = { debs = [ "grub-pc-bin" ]; only = [ "lib/grub/i386-pc" ]; };
    grub-x86_64-efi = { debs = [ "grub-efi-amd64-bin" ]; only = [ "lib/grub/x86_64-efi" ]; };
    util-linux = { debs = [ "util-linux" "mount" ]; with' = [ "bash" ]; };
    # What the busybox of Debian lacks.
    flock = { debs = [ "util-linux" ]; only = [ "bin/flock" ]; };
    pam.debs = [ "libpam0g" "libpam-modules" "libpam-modules-bin" ];
    python3.debs = [ "python3.11-minimal" "libpython3.11-minimal" "libpython3.11-stdlib" "python3-minimal" ];
    nix.debs = [ "nix-bin" ];
    perl.debs = [ "perl-base" ];
    grep.with' = [ "bash" ];
    gzip.with' = [ "bash" ];
  };

  listed = builtins.filter builtins.isString (builtins.split "\n" (builtins.readFile manifest));
  files = builtins.listToAttrs (map
    (line:
      let file = builtins.head (builtins.split " " line);
      in {
        name = builtins.head (builtins.split "_" file);
        value = builtins.path {
          path = "${debs}/${file}";
          # A store name cannot hold the % and ~ of Debian's versions.
          name = builtins.replaceStrings [ "%3a" "~" ] [ "=" "." ] file;
        };
      })
    (builtins.filter (line: line != "") listed));

  tools = builtins.path {
    path = ./.;
    name = "debian-tools";
    filter = path: _: builtins.match ".*\\.py" path != null;
  };

  kernel = builtins.filter (name: builtins.match "linux-image-.*" name != null) (builtins.attrNames files);
  scanned = removeAttrs files kernel;

  # What needs what is read from the packages themselves, during evaluation.
  graph = builtins.fromJSON (builtins.readFile
    (run "graph.json" { debs = builtins.attrValues scanned; } "python3 ${tools}/graph.py $out $debs"));

  groupOf = builtins.listToAttrs (builtins.concatMap
    (group: map (name: { inherit name; value = group; }) groups.${group}.debs or [ group ])
    # A package of two groups is found in the whole one.
    (builtins.filter (g: !(groups.${g} ? only)) (builtins.attrNames groups)));
  ownerOf = deb: groupOf.${deb} or deb;
  providers = builtins.listToAttrs (builtins.concatMap
    (deb: map (name: { inherit name; value = deb; }) graph.${deb}.soname) (builtins.attrNames graph));

  relocate = name: { debs ? [ name ], only ? [ ], with' ? [ ] }:
    let
      present = builtins.filter (deb: files ? ${deb}) debs;
      isWanted = path: only == [ ] || builtins.any (o: path == o || lib.hasPrefix "${o}/" path) only;
      neededBy = deb: builtins.concatMap (path: graph.${deb}.needed.${path})
        (builtins.filter isWanted (builtins.attrNames graph.${deb}.needed));
      needed = unique (builtins.concatMap neededBy present);
      providerOf = soname: providers.${soname} or (throw "${name} needs ${soname}, which no package of debs/ has");
      owners = map ownerOf (builtins.filter (deb: !(builtins.elem deb debs)) (map providerOf needed));
      others = builtins.filter (owner: owner != name) (unique (owners ++ with'));
      fileName = baseNameOf (builtins.unsafeDiscardStringContext files.${builtins.head present});
      version = builtins.elemAt (builtins.match "[^_]*_([0-9]+=)?(.*)_[^_]*\\.deb" fileName) 1; # without epoch
      spec = builtins.toJSON {
        debs = map (deb: "${files.${deb}}") present;
        deps = map (owner: "${packages.${owner}}") others;
        inherit only;
        isLibc = name == "glibc";
        libc = if name == "glibc" then builtins.placeholder "out" else "${packages.glibc}";
      };
    in run "${name}-${version}" { inherit spec; passAsFile = [ "spec" ]; } ''
      python3 ${tools}/relocate.py $out "$specPath"
    '';

  packages = builtins.mapAttrs relocate
    (builtins.mapAttrs (_: _: { }) (removeAttrs scanned (builtins.attrNames groupOf)) // groups);
in packages // {
  # With a link for each of its commands.
  busybox = run "busybox" { busybox = packages.busybox-static; } ''
    mkdir -p $out/bin
    cp $busybox/bin/busybox $out/bin/
    for command in $($out/bin/busybox --list); do
      [ $command = busybox ] || ln -s busybox $out/bin/$command
    done
  '';

  linuxImage = files.${builtins.head kernel};
}

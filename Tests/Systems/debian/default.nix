# Store paths out of Debian packages. `debs`: a folder of .deb files; `manifest`: the file that lists the ones to use.
# The result has an attribute for each group of `groups` and each other package, by its Debian name.
#
# Groups are packages that are one store path: they need each other, or one is useless without the other. `with'`: what
# their scripts and units name, beside what their ELF files need. `only`: these files and folders. `after`: shell that
# changes what has been unpacked.
{ lib, debs, manifest, groups ? import ./groups.nix, shape ? "debian" }:
let
  inherit (lib) run unique;

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
  graphFile = run "graph.json" { debs = builtins.attrValues scanned; SHAPE = shape; } "python3 ${tools}/graph.py $out $debs";
  graph = builtins.fromJSON (builtins.readFile graphFile);

  groupOf = builtins.listToAttrs (builtins.concatMap
    (group: map (name: { inherit name; value = group; }) groups.${group}.debs or [ group ])
    # A package of two groups is found in the whole one.
    (builtins.filter (g: !(groups.${g} ? only)) (builtins.attrNames groups)));
  ownerOf = deb: groupOf.${deb} or deb;
  providers = builtins.listToAttrs (builtins.concatMap
    (deb: map (name: { inherit name; value = deb; }) graph.${deb}.soname) (builtins.attrNames graph));

  relocate = name: { debs ? [ name ], only ? [ ], with' ? [ ], after ? "" }:
    let
      present = builtins.filter (deb: files ? ${deb}) debs;
      isWanted = path: only == [ ] || builtins.any (o: path == o || lib.hasPrefix "${o}/" path) only;
      linkedBy = kind: deb: builtins.concatMap (path: graph.${deb}.${kind}.${path})
        (builtins.filter isWanted (builtins.attrNames graph.${deb}.${kind}));
      linked = kind: unique (builtins.concatMap (linkedBy kind) present);
      # A library that is opened at run time is done without where it is in no package.
      needed = linked "needed" ++ builtins.filter (soname: providers ? ${soname}) (linked "opened");
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
    in run "${name}-${version}" { inherit spec; SHAPE = shape; passAsFile = [ "spec" ]; } ''
      python3 ${tools}/relocate.py $out "$specPath"
      ${after}
    '' // { inherit version; };

  packages = builtins.mapAttrs relocate
    (builtins.mapAttrs (_: _: { }) (removeAttrs scanned (builtins.attrNames groupOf)) // groups);
in packages // {
  inherit graphFile;
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

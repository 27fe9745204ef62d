# Initrds: closures as cpio archives.
{ pkgs }:
let
  compressors = {
    zstd = { package = pkgs.zstd; program = "zstd"; arguments = [ "-10" ]; };
    gzip = { package = pkgs.gzip; program = "gzip"; arguments = [ "-9n" ]; };
    xz = { package = pkgs.xz; program = "xz"; arguments = [ "--check=crc32" ]; };
    cat = { package = pkgs.coreutils; program = "cat"; arguments = [ ]; };
  };
  # A compressor by its name, as a function of the set, or as a path.
  compression = compressor: compressorArgs:
    let known = compressors.${compressor}; in rec {
      compressorExecutableFunction =
        if builtins.isFunction compressor then compressor
        else if builtins.isString compressor && compressors ? ${compressor} then (set: "${set.${if compressor == "cat" then "coreutils" else compressor}}/bin/${known.program}")
        else (_: compressor);
      executable = compressorExecutableFunction pkgs;
      compressorArgs' =
        if compressorArgs != null then compressorArgs
        else if builtins.isString compressor && compressors ? ${compressor} then known.arguments else [ ];
    };
  archive = name: compression: prepend: tree: pkgs.runCommand name
    {
      inherit prepend;
      passthru = {
        inherit (compression) compressorExecutableFunction;
        compressorArgs = compression.compressorArgs';
      };
    } ''
    mkdir -p $out root
    ${tree}
    find root -exec touch -h -d @1 {} +
    for file in $prepend; do cat "$file"; done > $out/initrd
    (cd root && find . -print0 | sort -z | ${pkgs.cpio}/bin/cpio --quiet -o -H newc -R +0:+0 --reproducible --null) |
      ${compression.executable} ${toString compression.compressorArgs'} >> $out/initrd
  '';
  # The store path that a path in it belongs to, with its context.
  storePathOf = path: builtins.substring 0
    (builtins.stringLength (builtins.head (builtins.match "(/nix/store/[^/]+).*" (builtins.unsafeDiscardStringContext path))))
    path;
in
{
  makeInitrd = { name ? "initrd", contents, compressor ? "gzip", compressorArgs ? null, prepend ? [ ], ... }:
    archive name (compression compressor compressorArgs) prepend ''
      cat ${pkgs.closureInfo { rootPaths = map (entry: storePathOf "${entry.object}") (builtins.filter (entry: builtins.hasContext "${entry.object}") contents); }}/store-paths > paths
      mkdir -p root/nix/store
      while read -r path; do cp -a "$path" root/nix/store/; done < paths
      chmod -R u+w root
      ${builtins.concatStringsSep "" (map
        (entry: ''
          mkdir -p "$(dirname root${entry.symlink})"
          ln -sn ${entry.object} root${entry.symlink}
        '')
        contents)}
    '';

  makeInitrdNGTool = pkgs.writeShellScriptBin "make-initrd-ng" ''
    export PATH=${pkgs.patchelf}/bin
    exec ${pkgs.python3}/bin/python3 ${./initrd-ng.py} "$@"
  '';
  makeInitrdNG = { name ? "initrd", contents, compressor ? "gzip", compressorArgs ? null, prepend ? [ ], ... }:
    let
      list = builtins.filter (entry: entry.enable or true) contents;
    in
    archive name (compression compressor compressorArgs) prepend ''
      ${pkgs.makeInitrdNGTool}/bin/make-initrd-ng ${pkgs.writeText "contents.json" (builtins.toJSON list)} root
    '';
}

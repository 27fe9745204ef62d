# The program that `switch-to-configuration boot` calls: boot.loader.systemd-boot of NixOS. A toplevel with a uki.efi is
# booted by that.
# `bootctl` is the package that has it: systemd itself, or the one with bootctl alone. `signer`: the package with sbsign,
# for a machine with Secure Boot; the bootloader and kernels are signed with the key that SLIPWAY_SIGN_KEY names.
# `bootCountingTries`: how often an entry may fail, as `bootCounting.tries` of NixOS; null for no counting. The entries of
# a specialisation are not told from its generation's by their order, so a system that counts has none.
# `extraFiles` ({ "path/on/boot" = file; }), `extraEntries` ({ "name.conf" = text; }): as NixOS's options. `memtest86`,
# `netbootxyz`, `edk2UefiShell`: the programs, where the option of that name is enabled; null where it is not.
{ lib, packages }:
{ bootctl
, canTouchEfiVariables ? true
, efiSysMountPoint ? "/boot"
, xbootldrMountPoint ? null
, timeout ? 0
, consoleMode ? "keep"
, distroName ? "NixOS"
, sortKey ? "nixos"
, signer ? null
, bootCountingTries ? null
, extraFiles ? { }
, extraEntries ? { }
, memtest86 ? null
, netbootxyz ? null
, edk2UefiShell ? null
}:
let
  # NixOS's files and entries of programs beside it.
  menuProgram = program: name: file: title:
    if program == null then { files = { }; entries = { }; } else {
      files.${file} = program;
      entries."${name}.conf" = ''
        title  ${title}
        efi    /${file}
        sort-key o_${name}
      '';
    };
  menuPrograms = [
    (menuProgram memtest86 "memtest86" "efi/memtest86/memtest.efi" "Memtest86+")
    (menuProgram netbootxyz "netbootxyz" "efi/netbootxyz/netboot.xyz.efi" "netboot.xyz")
    (menuProgram edk2UefiShell "edk2-uefi-shell" "efi/edk2-uefi-shell/shell.efi" "EDK2 UEFI Shell")
  ];
  merged = builtins.foldl' (all: some: all // some) { };
  entries = merged (map (program: program.entries) menuPrograms) // extraEntries;
  # { "path/on/boot" = file; }
  extra = merged (map (program: program.files) menuPrograms) // extraFiles
    // builtins.listToAttrs (map
      (name: { name = "loader/entries/${name}"; value = lib.textFile name entries.${name}; })
      (builtins.attrNames entries));

  boot = if xbootldrMountPoint == null then efiSysMountPoint else xbootldrMountPoint;
  copyExtraFiles = lib.script "copy-extra-files" ''
    #!${packages.busybox}/bin/sh
    set -eu
    export PATH=${packages.busybox}/bin
    # copy_to_boot FILE PATH
    copy_to_boot() {
      mkdir -p "${boot}/''${2%/*}" "${boot}/EFI/nixos/.extra-files/''${2%/*}"
      cp -p "$1" "${boot}/$2"
      : >"${boot}/EFI/nixos/.extra-files/$2"
    }
    ${lib.concat "\n" (map (path: ''copy_to_boot ${extra.${path}} "${path}"'') (builtins.attrNames extra))}
  '';
in
lib.script "systemd-boot-builder.sh" (lib.substitute ./builder.sh {
  inherit efiSysMountPoint boot timeout consoleMode distroName sortKey copyExtraFiles;
  shell = "${packages.busybox}/bin/sh";
  path = lib.concat ":" (map (p: "${p}/bin") ((if signer == null then [ ] else [ signer ]) ++ [ packages.flock packages.jq bootctl packages.busybox ]));
  tries = if bootCountingTries == null then "" else bootCountingTries;
  signs = if signer == null then "" else "1";
  bootPath = if xbootldrMountPoint == null then "" else "--boot-path=${xbootldrMountPoint}";
  variables = if canTouchEfiVariables then "" else "--no-variables";
})

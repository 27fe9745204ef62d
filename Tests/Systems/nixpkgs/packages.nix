# The set itself, in nixpkgs' names. See default.nix.
{ lib, debian, nixpkgs, self }:
let
  hostPlatform =
    if lib ? systems then lib.systems.elaborate "x86_64-linux"
    else { system = "x86_64-linux"; isLinux = true; isx86_64 = true; is64bit = true; isx86_32 = false; isi686 = false; isAarch64 = false; isAarch32 = false; isBigEndian = false; isDarwin = false; isx86 = true; };

  # A package of Debian as one of nixpkgs: what it has beside its path.
  package = name: attributes:
    let
      built = debian.${attributes.debian or name};
      whole = built // {
        pname = name;
        inherit (built) version;
        outputs = [ "out" ];
        meta = { mainProgram = name; outputsToInstall = [ "out" ]; available = true; platforms = [ "x86_64-linux" ]; } // attributes.meta or { };
        passthru = { };
        bin = whole;
        lib = whole;
        dev = whole;
        man = whole;
        override = _: whole;
        overrideAttrs = _: whole;
      } // removeAttrs attributes [ "debian" "meta" ];
    in
    whole;
  # Those that need no more than a name: nixpkgs' to Debian's.
  packages = builtins.mapAttrs (name: debianName: package name { debian = debianName; });

  stdenv = import ./stdenv.nix {
    inherit hostPlatform;
    shell = "${debian.bash}/bin/bash";
    initialPath = with debian; [ coreutils findutils diffutils sed grep gawk tar gzip bzip2 xz-utils patch bash file patchelf ];
    cc = { libc = self.glibc; libc_bin = self.glibc; isGNU = true; isClang = false; bintools = self.binutils // { dynamicLinker = "${self.glibc}/lib/ld-linux-x86-64.so.2"; }; };
  };
  trivial = import ./trivial.nix { inherit stdenv; pkgs = self; };
  inherit (trivial) runCommand writeTextDir writeShellScriptBin;

  callPackageWith = scope: file: arguments:
    let
      function = if builtins.isFunction file then file else import file;
      result = function (builtins.intersectAttrs (builtins.functionArgs function) scope // arguments);
    in
    if builtins.isAttrs result
    then result // { override = change: callPackageWith scope file (arguments // (if builtins.isFunction change then change arguments else change)); }
    else result;
  # A program under the name that a module asks for, and nothing else.
  programOf = from: names: runCommand (builtins.head names) { } ''
    mkdir -p $out/bin
    for name in ${toString names}; do ln -s ${from}/bin/$name $out/bin/; done
  '';

  kernels = import ./linux.nix { pkgs = self; inherit lib; image = debian.linuxImage; };
  initrds = import ./initrd.nix { pkgs = self; };
  perls = import ./perl.nix { pkgs = self; inherit debian; };
  # What a module names without using it.
  absent = name: runCommand name { } "echo '${name} is not in this set' >&2; exit 1";
in
trivial // kernels // initrds // perls // packages {
  acl = "acl"; audit = "auditd"; attr = "attr"; bashInteractive = "bash"; bash = "bash"; binutils = "binutils"; bintools = "binutils";
  binutils-unwrapped = "binutils";
  btrfs-progs = "btrfs-progs"; bzip2 = "bzip2"; coreutils = "coreutils"; coreutils-full = "coreutils"; cpio = "cpio"; curl = "curl";
  diffutils = "diffutils"; dosfstools = "dosfstools"; dpkg = "dpkg"; e2fsprogs = "e2fsprogs"; efibootmgr = "efibootmgr";
  erofs-utils = "erofs-utils"; f2fs-tools = "f2fs-tools"; file = "file"; findutils = "findutils"; gawk = "gawk"; gnugrep = "grep";
  gnupatch = "patch"; gnused = "sed"; gnutar = "tar"; gptfdisk = "gdisk"; gzip = "gzip"; iproute2 = "iproute2"; iputils = "iputils-ping";
  jq = "jq"; kbd = "kbd"; less = "less"; libarchive = "libarchive-tools"; libcap = "libcap2-bin"; logrotate = "logrotate"; lvm2 = "lvm2";
  mdadm = "mdadm"; mkpasswd = "whois"; mtools = "mtools"; ncurses = "ncurses-bin"; openssh = "openssh-client"; pam = "pam";
  linux-pam = "pam"; parted = "parted"; patch = "patch"; patchelf = "patchelf"; procps = "procps";
  rsync = "rsync"; squashfsTools = "squashfs-tools"; sudo = "sudo"; time = "time"; tzdata = "tzdata"; xfsprogs = "xfsprogs"; xz = "xz-utils";
  zstd = "zstd"; util-linuxMinimal = "util-linux"; su = "util-linux"; nettools = "iproute2"; host = "bind9-host"; fuse3 = "fuse3"; fuse = "fuse3";
  iana-etc = "netbase"; kexec-tools = "kmod";
} // {
  inherit lib stdenv hostPlatform callPackageWith;
  _type = "pkgs";
  __splicedPackages = self;
  path = nixpkgs;
  # What is read when the set is evaluated.
  packageGraph = debian.graphFile;
  config = { allowUnfree = false; allowAliases = false; };
  stdenvNoCC = stdenv;
  inherit (hostPlatform) system;
  callPackage = callPackageWith self;
  buildPackages = self;
  pkgsBuildBuild = self;
  pkgsBuildHost = self;
  targetPackages = self;
  runtimeShell = "${self.bash}/bin/bash";
  formats = import ./formats.nix { inherit lib; pkgs = self; };
  pkgsStatic.busybox = package "busybox" { };

  bash = package "bash" { shellPath = "/bin/bash"; interactiveShell = self.bash; };
  bashInteractive = package "bash" { shellPath = "/bin/bash"; };
  # NixOS's stage 1 calls fsck, which Debian's busybox does not have.
  busybox = runCommand "busybox-${debian.busybox-static.version}" { } ''
    mkdir -p $out/bin
    cp -P ${debian.busybox}/bin/* ${debian.util-linux}/bin/fsck $out/bin/
    ln -s bin $out/sbin
  '';
  busybox-sandbox-shell = package "busybox" { };
  dbus = package "dbus" { debian = "dbus"; daemon = self.dbus; };
  glibc = package "glibc" {
    inherit (self) getent;
    # glibc itself cannot name the bash that is linked with it.
    bin = runCommand "glibc-bin" { } ''
      mkdir -p $out/bin
      cp -L ${debian.glibc}/bin/* $out/bin/
      sed -i -e '1s|.*|#!${debian.bash}/bin/bash|' -e 's|^RTLDLIST=.*|RTLDLIST=${debian.glibc}/lib/ld-linux-x86-64.so.2|' $out/bin/ldd
    '';
  };
  getent = programOf debian.glibc [ "getent" ];
  getconf = programOf debian.glibc [ "getconf" ];
  glibcLocales = runCommand "glibc-locales" { } "mkdir -p $out/lib/locale";
  glibcLocalesUtf8 = self.glibcLocales;
  kmod = package "kmod" { lib = package "libkmod" { debian = "libkmod2"; }; };
  # nixpkgs takes these two from Ubuntu and from Debian.
  kmod-blacklist-ubuntu = writeTextDir "modprobe.conf" "";
  kmod-debian-aliases = runCommand "kmod-debian-aliases.conf" { } "cp ${debian.kmod}/lib/modprobe.d/aliases.conf $out";
  libxcrypt = package "libxcrypt" { debian = "libcrypt1"; enabledCryptSchemeIds = [ "y" "gy" "7" "2b" "2y" "2a" "6" ]; };
  netcat = runCommand "netcat" { } "mkdir -p $out/bin; ln -s ${debian.netcat-openbsd}/bin/nc.openbsd $out/bin/nc";
  nix = package "nix" { meta.mainProgram = "nix"; };
  # The host's, as the libvirt is that Slipway is linked with: neither that libvirt nor that firmware goes with a QEMU of
  # another Debian.
  qemu_kvm = runCommand "qemu-of-the-host" { } ''
    mkdir -p $out/bin
    ln -s /usr/bin/qemu-system-x86_64 /usr/bin/qemu-img $out/bin/
  '';
  OVMF.fd = runCommand "ovmf-of-the-host"
    {
      passthru = {
        firmware = "${self.OVMF.fd}/FV/OVMF_CODE.fd";
        variables = "${self.OVMF.fd}/FV/OVMF_VARS.fd";
        systemManagementModeRequired = false;
      };
    } ''
    mkdir -p $out/FV
    cp /usr/share/OVMF/OVMF_CODE_4M.fd $out/FV/OVMF_CODE.fd
    cp /usr/share/OVMF/OVMF_VARS_4M.fd $out/FV/OVMF_VARS.fd
  '';

  python3 = package "python3" { pythonVersion = "3.13"; };
  shadow = package "shadow" { su = package "util-linux" { }; shellPath = "/bin/nologin"; };
  systemd = package "systemd" {
    inherit (self) kmod util-linux;
    interfaceVersion = 2;
    withAnalyze = true; withApparmor = false; withAudit = true; withBootloader = true; withCompression = true; withCoredump = true;
    withCryptsetup = true; withEfi = true; withFido2 = false; withHomed = false; withHostnamed = true; withHwdb = true; withImportd = false;
    withLibBPF = false; withLocaled = true; withLogind = true; withMachined = false; withNetworkd = true; withNspawn = false; withOomd = false;
    withPam = true; withPortabled = false; withRemote = false; withRepart = false; withResolved = false; withShellCompletions = false;
    withSysupdate = false; withSysusers = true; withTimedated = true; withTimesyncd = true; withTpm2Tss = false; withUkify = false;
    withUserDb = false; withUtmp = false; withVConsole = false; withVmspawn = false;
  };
  systemdMinimal = self.systemd;
  systemdUkify = self.systemd;
  udev = self.systemd;
  util-linux = package "util-linux" { mount = package "util-linux" { }; login = package "util-linux" { }; swap = package "util-linux" { }; };
  which = writeShellScriptBin "which" ''command -v "$@"'';

  grub2 = import ./grub.nix { inherit package; };
  cacert = runCommand "cacert" { outputs = [ "out" "unbundled" "p11kit" "hashed" ]; } ''
    mkdir -p $out/etc/ssl/certs $unbundled $p11kit/etc/ssl/trust-source $hashed
    cat ${debian.ca-certificates}/share/ca-certificates/mozilla/*.crt > $out/etc/ssl/certs/ca-bundle.crt
  '';
  # As nixpkgs makes it, by a style sheet: the daemon's configuration with the folders of `serviceDirectories`.
  makeDBusConf = { suidHelper, serviceDirectories, apparmor ? "disabled", ... }: runCommand "dbus-1" { folders = serviceDirectories; } ''
    mkdir $out
    for bus in system session; do
      {
        for folder in $folders; do
          echo "<servicedir>$folder/share/dbus-1/$([ $bus = system ] && echo system-services || echo services)</servicedir>"
          for sub in etc/dbus-1/$bus.d share/dbus-1/$bus.d; do echo "<includedir>$folder/$sub</includedir>"; done
        done
      } > folders
      sed -e '/<standard_.*servicedirs/d' -e '/<include/d' -e 's|<servicehelper>.*<|<servicehelper>${suidHelper}<|' \
        -e '/<\/busconfig>/e cat folders' ${debian.dbus}/share/dbus-1/$bus.conf > $out/$bus.conf
    done
  '';

  nukeReferences = writeShellScriptBin "nuke-refs" ''
    kept=
    while [ "$1" = -e ]; do kept="$kept $(basename "$2" | cut -c -32)"; shift 2; done
    for file in "$@"; do
      [ ! -L "$file" ] && [ -f "$file" ] || continue
      ${self.python3}/bin/python3 - "$file" $kept <<'END'
    import re, sys
    path, kept = sys.argv[1], [name.encode() for name in sys.argv[2:]]
    with open(path, "rb") as file:
        data = file.read()
    def replace(match):
        return match[0] if match[1] in kept else b"/nix/store/" + b"e" * 32 + b"-"
    new = re.sub(rb"/nix/store/([0-9a-z]{32})-", replace, data)
    if new != data:
        with open(path, "wb") as file:
            file.write(new)
    END
    done
  '';
  removeReferencesTo = self.nukeReferences;
  xorg.lndir = trivial.lndir;
  # The builder of systemd-boot's entries is checked when nixpkgs' own tests run it.
  mypy = writeShellScriptBin "mypy" "exit 0";
  # Only asked for a generation without boot.json.
  bootspec = writeShellScriptBin "synthesize" "echo 'a generation without boot.json' >&2; exit 1";
  nixos-artwork.wallpapers.simple-dark-gray-bootloader.gnomeFilePath = "${absent "wallpaper"}";
  libfido2 = package "libfido2" { debian = "libfido2-1"; };
  fish = absent "fish";
  xonsh = absent "xonsh";
  zsh = absent "zsh";
  compressFirmwareZstd = firmware: firmware;
  compressFirmwareXz = firmware: firmware;
  nix-info = writeShellScriptBin "nix-info" "nix --version";
}

# The test systems. Each attribute is a toplevel; `build NAME` builds it. See README.md.
{ debs, manifest }:
let
  lib = import ./lib.nix;
  packages = import ./debian { inherit lib debs manifest; };
  linux = import ./linux.nix { inherit lib; image = packages.linuxImage; };
  initrd = import ./initrd { inherit lib packages linux; };
  systemdBoot = import ./systemd-boot { inherit lib packages; };
  grub = import ./grub { inherit lib packages; };
  uki = import ./uki { inherit packages linux; };

  common = {
    inherit lib packages linux initrd systemdBoot;
    makeEtc = import ./etc.nix { inherit lib; };
    makeAccounts = import ./accounts.nix { inherit lib; };
    makeToplevel = import ./toplevel.nix { inherit lib packages linux initrd; };
    release = {
      "hostname" = "nixos\n";
      "hosts" = "127.0.0.1 localhost\n";
      "issue" = "\n<<< Welcome to NixOS 24.11 (\\m) - \\l >>>\n\n";
      "os-release" = "ID=nixos\nNAME=NixOS\nPRETTY_NAME=\"NixOS 24.11\"\nVERSION_ID=\"24.11\"\n";
    };
    # The last console= is /dev/console: the serial one. mitigations=off: page table isolation alone makes every
    # system call flush the TLB, which costs an emulated processor dearly.
    kernelParams = [ "console=tty0" "console=ttyS0,115200" "loglevel=4" "mitigations=off" "random.trust_cpu=on" ];
  };

  # A system with specialisations: itself, each with a further parameter of the kernel.
  withSpecialisations = parameters: make: arguments: make (arguments // {
    specialisations = builtins.mapAttrs
      (name: parameter: make (arguments // {
        name = "${arguments.name}-${name}";
        kernelParams = (arguments.kernelParams or common.kernelParams) ++ [ parameter ];
      }))
      parameters;
  });
  verbose = "loglevel=7";

  tinyAlone = import ./tiny common;
  tiny = withSpecialisations { inherit verbose; } tinyAlone;
  demo = withSpecialisations { inherit verbose; } (import ./demo common);
  bulk = import ./bulk { inherit lib; };
  broken = import ./broken.nix { inherit lib packages initrd systemdBoot grub programs tiny; };

  # What a boot menu starts beside NixOS. netboot.xyz is iPXE with a script.
  programs = {
    memtest86 = "${packages."memtest86+"}/boot/memtest86+x64.efi";
    netbootxyz = "${packages.ipxe}/boot/ipxe.efi";
    edk2UefiShell = "${packages.efi-shell-x64}/share/efi-shell-x64/shellx64.efi";
  };

  # A system, and the same with `canTouchEfiVariables = false`.
  bothForms = name: make: {
    ${name} = make { inherit name; canTouchEfiVariables = true; };
    "${name}-notouch" = make { name = "${name}-notouch"; canTouchEfiVariables = false; };
  };

  # A later generation, which its kernel's command line tells.
  generation = letter: arguments: arguments // { kernelParams = common.kernelParams ++ [ "generation=${letter}" ]; };
  # The same with an initrd of its own.
  generationWithInitrd = letter: arguments: generation letter arguments // {
    rootInitrd = initrd { beforeMount = "echo stage 1 of generation ${letter}"; };
  };

  # Five generations of demo, NAME-1 to NAME-5, with two specialisations each and an initrd of its own each.
  fiveOfDemo = name: arguments: builtins.listToAttrs (map
    (number: {
      name = "${name}-${number}";
      value = withSpecialisations { inherit verbose; quiet = "loglevel=1"; } (import ./demo common)
        (generationWithInitrd number (arguments // { name = "${name}-${number}"; }));
    })
    [ "1" "2" "3" "4" "5" ]);

  grubBios = device: arguments: tiny (arguments // {
    installBootloader = grub { inherit device; };
    extraSoftware = [ packages.grub ];
  });
  grubEfi = xbootldr: { name, canTouchEfiVariables }: tiny {
    inherit name xbootldr;
    installBootloader = grub {
      efiSupport = true;
      inherit canTouchEfiVariables;
      efiSysMountPoint = if xbootldr then "/efi" else "/boot";
    };
    extraSoftware = [ packages.grub packages.efibootmgr ];
  };
  unified = arguments: tiny (arguments // {
    extraFiles = uki {
      rootInitrd = initrd { };
      osRelease = lib.textFile "os-release" common.release."os-release";
    };
  });
in
{
  tiny = tiny { name = "tiny"; };
  tiny-bulk = tiny { name = "tiny-bulk"; extraDependencies = [ bulk.storeLike ]; };
  tiny-many = tiny { name = "tiny-many"; extraDependencies = [ bulk.emptyFiles ]; };
  tiny-notouch = tiny { name = "tiny-notouch"; canTouchEfiVariables = false; };
  tiny-b = tiny (generation "b" { name = "tiny-b"; });
  tiny-c = tiny (generationWithInitrd "c" { name = "tiny-c"; });
  tiny-counted = tinyAlone { name = "tiny-counted"; bootloader.bootCountingTries = 3; };
  tiny-counted-panic = tinyAlone {
    name = "tiny-counted-panic";
    bootloader.bootCountingTries = 3;
    # The machine resets a second later.
    kernelParams = common.kernelParams ++ [ "panic=1" ];
    rootInitrd = initrd { beforeMount = "echo c >/proc/sysrq-trigger"; };
  };
  extras-fruits = tiny {
    name = "extras-fruits";
    bootloader = {
      extraFiles."efi/fruits/tomato.efi" = programs.netbootxyz;
      extraEntries."banana.conf" = "title banana\nefi /efi/fruits/tomato.efi\nsort-key o_banana\n";
    };
  };
  extras-programs = tiny { name = "extras-programs"; bootloader = programs; };
  tiny-secrets = tiny { name = "tiny-secrets"; initrdSecrets."/secrets/key" = "/etc/secrets/key"; };
  f2fs = tiny { name = "f2fs"; };
  f2fs-shared = tiny { name = "f2fs-shared"; rootInitrd = initrd { mountRoot = "mountShare"; }; };
  demo = demo { name = "demo"; };
  demo-notouch = demo { name = "demo-notouch"; canTouchEfiVariables = false; };
  secure = tiny { name = "secure"; bootloader.signer = packages.sbsigntool; };
  grub-bios = grubBios "/dev/vda" { name = "grub-bios"; };
  grub-bios-b = grubBios "/dev/vda" (generation "b" { name = "grub-bios-b"; });
  grub-bios-c = grubBios "/dev/vda" (generationWithInitrd "c" { name = "grub-bios-c"; });
  grub-bios-sda = grubBios "/dev/sda" { name = "grub-bios-sda"; };
} // bothForms "grub-efi" (grubEfi false)
// bothForms "grub-xbootldr" (grubEfi true)
// bothForms "xbootldr" (arguments: tiny (arguments // { xbootldr = true; }))
// bothForms "uki" unified
// fiveOfDemo "demo" { }
// fiveOfDemo "demo-grub-efi" { installBootloader = grub { efiSupport = true; }; }
// fiveOfDemo "demo-grub-bios" { installBootloader = grub { device = "/dev/vda"; }; hasESP = false; }
// broken

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

  # A system has one specialisation: itself, with a kernel that says more.
  withSpecialisation = make: arguments: make (arguments // {
    specialisations.verbose = make (arguments // {
      name = "${arguments.name}-verbose";
      kernelParams = (arguments.kernelParams or common.kernelParams) ++ [ "loglevel=7" ];
    });
  });

  tiny = withSpecialisation (import ./tiny common);
  demo = withSpecialisation (import ./demo common);
  bulk = import ./bulk { inherit lib; };
  broken = import ./broken.nix { inherit lib packages initrd systemdBoot tiny; };

  # A system, and the same with `canTouchEfiVariables = false`.
  bothForms = name: make: {
    ${name} = make { inherit name; canTouchEfiVariables = true; };
    "${name}-notouch" = make { name = "${name}-notouch"; canTouchEfiVariables = false; };
  };

  # A later generation, which its kernel's command line tells.
  generation = letter: arguments: arguments // { kernelParams = common.kernelParams ++ [ "generation=${letter}" ]; };

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
  tiny-c = tiny (generation "c" { name = "tiny-c"; rootInitrd = initrd { beforeMount = "echo stage 1 of generation c"; }; });
  tiny-secrets = tiny { name = "tiny-secrets"; initrdSecrets."/secrets/key" = "/etc/secrets/key"; };
  f2fs = tiny { name = "f2fs"; };
  f2fs-shared = tiny { name = "f2fs-shared"; rootInitrd = initrd { mountRoot = "mountShare"; }; };
  demo = demo { name = "demo"; };
  demo-notouch = demo { name = "demo-notouch"; canTouchEfiVariables = false; };
  secure = tiny { name = "secure"; signer = packages.sbsigntool; };
  grub-bios = grubBios "/dev/vda" { name = "grub-bios"; };
  grub-bios-b = grubBios "/dev/vda" (generation "b" { name = "grub-bios-b"; });
  grub-bios-sda = grubBios "/dev/sda" { name = "grub-bios-sda"; };
} // bothForms "grub-efi" (grubEfi false)
// bothForms "grub-xbootldr" (grubEfi true)
// bothForms "xbootldr" (arguments: tiny (arguments // { xbootldr = true; }))
// bothForms "uki" unified
// broken

"""What needs no virtual machine: variables, the start script, and what is read from a console."""

from __future__ import annotations

import shlex
import shutil
import socket
import uuid
from pathlib import Path

import pytest
from conftest import SLIPWAY, TEMPLATE
from scripted_machine import ScriptedMachine, start_script
from slipway import EFIAttributes, EFIMachine, EFIMachineError, _grub_entry

GLOBAL = uuid.UUID("8be4df61-93ca-11d2-aa0d-00e098032b8c")
VENDOR = uuid.UUID("11111111-2222-3333-4444-555555555555")
PRESENT = EFIAttributes.NON_VOLATILE | EFIAttributes.BOOTSERVICE_ACCESS | EFIAttributes.RUNTIME_ACCESS


def machine(tmp_path: Path, body: str = "exit 1", prefix: str = "") -> ScriptedMachine:
    return ScriptedMachine(prefix + start_script(tmp_path, body), tmp_path)


def printing(*lines: str, then: str = "exec sleep 60") -> str:
    return "\n".join([f"echo {shlex.quote(line)}" for line in lines] + [then])


def test_variables_are_set_listed_and_deleted(tmp_path: Path) -> None:
    efi = EFIMachine(machine(tmp_path), SLIPWAY, template=TEMPLATE)
    assert efi.efi_variables() == []
    efi.set_efi_variable("BootOrder", "0002,0001")
    efi.set_efi_variable("Raw", b"\x00\xff-", VENDOR)
    efi.set_efi_variable("Raw", b"x" * 40_000, str(GLOBAL))
    order, *raws = sorted(efi.efi_variables(), key=lambda variable: (variable.name, variable.data))
    assert (order.vendor, order.attributes, order.data) == (GLOBAL, PRESENT, b"\2\0\1\0")
    assert [(raw.vendor, len(raw.data)) for raw in raws] == [(VENDOR, 3), (GLOBAL, 40_000)]
    efi.delete_efi_variable("Raw", GLOBAL)
    efi.delete_efi_variable("Raw")
    assert efi.efi_variables() == [order]


def test_authenticated_variables_have_their_time(tmp_path: Path) -> None:
    enrolled = TEMPLATE.with_name("OVMF_VARS_4M.ms.fd")
    efi = EFIMachine(machine(tmp_path), SLIPWAY, template=enrolled)
    key = next(variable for variable in efi.efi_variables() if variable.name == "PK")
    assert EFIAttributes.TIME_BASED_AUTHENTICATED_WRITE_ACCESS in key.attributes
    assert key.time is not None and len(key.time) == 16


def test_what_slipway_refuses_is_said(tmp_path: Path) -> None:
    efi = EFIMachine(machine(tmp_path), SLIPWAY, template=TEMPLATE)
    with pytest.raises(EFIMachineError, match="there is no variable"):
        efi.delete_efi_variable("Nobody", VENDOR)
    with pytest.raises(EFIMachineError, match="Nobody"):
        efi.boot_next("Nobody")
    with pytest.raises(EFIMachineError, match="cannot run /nowhere/slipway: .*; give EFIMachine the path"):
        EFIMachine(efi.machine, "/nowhere/slipway").efi_variables()


@pytest.mark.parametrize("place", ["script", "environment", "assignment", "argument", "name"])
def test_the_store_is_where_the_start_script_has_it(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "somewhere else" / "vars.fd"
    store.parent.mkdir()
    body, prefix = f'cp {TEMPLATE} "$NIX_EFI_VARS"', ""
    variables = None
    match place:
        case "script":
            body += '\nNIX_EFI_VARS=$(readlink -f "${NIX_EFI_VARS:-other-efi-vars.fd}")'
            store = tmp_path / "vm-state-tiny" / "other-efi-vars.fd"
        case "environment":
            monkeypatch.setenv("NIX_EFI_VARS", "../somewhere else/vars.fd")
        case "assignment":
            monkeypatch.setenv("NIX_EFI_VARS", "/nowhere/vars.fd")
            prefix = f"NIX_DISK_IMAGE=./disk.qcow2 NIX_EFI_VARS='{store}' "
        case "argument":
            variables = store
        case "name":
            store = tmp_path / "vm-state-tiny" / "tiny-efi-vars.fd"
    efi = EFIMachine(machine(tmp_path, body, prefix), SLIPWAY, variables=variables)
    assert efi.efi_variables() == [] and not store.exists()
    efi.set_efi_variable("Timeout", "3")
    assert store.exists() and len(efi.efi_variables()) == 1
    assert list(store.parent.glob("*.new")) == []


def test_a_store_that_cannot_be_found_or_made_is_said(tmp_path: Path) -> None:
    tiny = machine(tmp_path)
    with pytest.raises(EFIMachineError, match="cannot set the EFI variable Timeout: .* before its first start"):
        EFIMachine(tiny, SLIPWAY).set_efi_variable("Timeout", "3")
    tiny.start_command._cmd = "NIX_EFI_VARS=$PWD/vars.fd run-tiny-vm"
    with pytest.raises(EFIMachineError, match=r"sets NIX_EFI_VARS to \$PWD/vars.fd; give EFIMachine the path"):
        EFIMachine(tiny, SLIPWAY)


NOTHING = "BdsDxe: No bootable option or device was found."
REFUSED = 'BdsDxe: failed to load Boot0003 "L" from A: Access Denied'
NOT_FOUND = 'BdsDxe: failed to load Boot0001 "L" from B: Not Found'


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["[    1.5] Kernel panic - not syncing: x"], "the kernel panicked: [    1.5] Kernel panic"),
        (["You are in emergency mode. After"], "the system stopped in an emergency shell"),
        (["\x1b[0;1mEntering\x1b[0m emergency mode."], "the initrd stopped in an emergency shell: Entering emergency"),
        (["error: unknown filesystem.", "Entering rescue mode..."], "GRUB stopped in its rescue shell"),
        ([f"\x1b[2J\x1b[01;01H{NOTHING}"], f"the firmware found nothing to boot: {NOTHING}"),
        ([NOT_FOUND, NOT_FOUND + "2", NOTHING], f"the firmware found nothing to boot: {NOT_FOUND}"),
        (["!!!! X64 Exception Type - 06"], "the firmware or a boot loader crashed"),
        (
            [NOT_FOUND, REFUSED, NOTHING],
            f"the firmware refused what it found, for want of a signature that it knows: {REFUSED}",
        ),
        ([REFUSED, "Kernel panic - not syncing: x"], "the kernel panicked: Kernel panic"),
        (["Kernel panic - not syncing: x", "<<< Welcome to NixOS >>>"], "the kernel panicked"),
    ],
)
def test_a_lost_boot_is_seen_at_once(lines: list[str], reason: str, tmp_path: Path) -> None:
    lost = machine(tmp_path, printing("noise", *lines))
    assert EFIMachine(lost, SLIPWAY).assert_cannot_boot(timeout=30).startswith(reason)
    assert lost.process is not None and lost.process.poll() is not None


def test_a_machine_that_ends_has_not_booted(tmp_path: Path) -> None:
    efi = EFIMachine(machine(tmp_path, printing("Booting", then="exit 0")), SLIPWAY)
    assert efi.assert_cannot_boot(30) == (
        "the machine reset or powered off before the system was up; the last line of the console is: Booting"
    )


def test_silence_is_waited_for(tmp_path: Path) -> None:
    efi = EFIMachine(machine(tmp_path, "exec sleep 60"), SLIPWAY)
    assert efi.assert_cannot_boot(0.5) == "the system was not up after 0.5 seconds; the console showed nothing"


def test_a_busy_console_proves_nothing(tmp_path: Path) -> None:
    efi = EFIMachine(machine(tmp_path, "while echo on; do sleep 0.1; done"), SLIPWAY)
    with pytest.raises(AssertionError, match="still busy after 1 seconds, and may boot yet; .* longer timeout"):
        efi.assert_cannot_boot(1)


def test_a_qemu_that_fails_proves_nothing(tmp_path: Path) -> None:
    efi = EFIMachine(machine(tmp_path, "exit 3"), SLIPWAY)
    with pytest.raises(EFIMachineError, match="QEMU or its start script failed with status 3"):
        efi.assert_cannot_boot(30)


@pytest.mark.parametrize(
    "line",
    [
        "<<< Welcome to NixOS 25.05 (x86_64) - ttyS0 >>>",
        "[  OK  ] Reached target \x1b[0;1;39mMulti-User System\x1b[0m.",
    ],
)
def test_a_system_that_is_up_fails_the_assertion(line: str, tmp_path: Path) -> None:
    efi = EFIMachine(machine(tmp_path, printing(line)), SLIPWAY)
    with pytest.raises(AssertionError, match="tiny booted, and should not have"):
        efi.assert_cannot_boot(30)


def test_the_sign_of_a_system_that_is_up_can_be_chosen(tmp_path: Path) -> None:
    efi = EFIMachine(machine(tmp_path, printing("ready")), SLIPWAY, system_up="^ready$")
    with pytest.raises(AssertionError, match="tiny booted, and should not have: ready"):
        efi.assert_cannot_boot(30)


def test_the_drivers_shell_means_that_the_system_is_up(tmp_path: Path) -> None:
    up = machine(tmp_path, "exec sleep 60")
    up.shell, guest = socket.socketpair()
    with up.shell, guest:
        guest.send(b"Spawning backdoor root shell...\n")
        with pytest.raises(AssertionError, match="its root shell is ready"):
            EFIMachine(up, SLIPWAY).assert_cannot_boot(30)
        # The driver reads it as well.
        assert up.shell.recv(100) == b"Spawning backdoor root shell...\n"


def test_a_machine_that_ended_by_itself_can_be_started_again(tmp_path: Path) -> None:
    ended = machine(tmp_path, printing("once", then="exit 0"))
    efi = EFIMachine(ended, SLIPWAY, template=TEMPLATE)
    ended.start()
    assert ended.process is not None
    ended.process.wait()
    efi.set_efi_variable("Timeout", "3")
    assert "powered off" in efi.assert_cannot_boot(30)


def test_a_store_that_is_there_is_kept(tmp_path: Path) -> None:
    there = machine(tmp_path, f'cp {TEMPLATE.with_name("OVMF_VARS_4M.ms.fd")} "$NIX_EFI_VARS"')
    shutil.copyfile(TEMPLATE, there.state_dir / "tiny-efi-vars.fd")
    efi = EFIMachine(there, SLIPWAY)
    efi.set_efi_variable("Timeout", "3")
    assert [variable.name for variable in efi.efi_variables()] == ["Timeout"]


A, B = "/nix/store/a-nixos", "/nix/store/b-nixos"
MENU = f"""
function pick {{
  true
}}
if [ -s $prefix/grubenv ]; then
  load_env
fi
menuentry "NixOS" --unrestricted {{
  linux ($drive1)/kernel init={A}/init quiet
}}
menuentry "Memtest" {{
  linux ($drive1)/memtest
}}
submenu "NixOS - All configurations" {{
  menuentry "NixOS - Configuration 2" {{
    linux ($drive1)/kernel init={B}-verbose/init loglevel=7
  }}
  menuentry "NixOS - Configuration 1" {{
    linux ($drive1)/kernel init={B}/init quiet
  }}
}}
menuentry "Last" {{
  linux ($drive1)/kernel init=/nix/store/c-nixos/init
}}
"""


@pytest.mark.parametrize(
    ("toplevel", "entry"), [(A, "0"), (f"{B}-verbose", "2>0"), (B, "2>1"), ("/nix/store/c-nixos", "3"), ("/nix", None)]
)
def test_an_entry_of_grub_is_named_by_its_places(toplevel: str, entry: str | None) -> None:
    assert _grub_entry(MENU, toplevel) == entry


class Guest(ScriptedMachine):
    """Answers commands by the first key that they contain; a command without one fails."""

    def __init__(self, tmp_path: Path, answers: dict[str, str]) -> None:
        super().__init__(start_script(tmp_path, "exit 1"), tmp_path)
        self.answers = answers
        self.commands: list[str] = []
        self.starts = 0

    def execute(self, command: str) -> tuple[int, str]:
        self.commands.append(command)
        return next(((0, text) for key, text in self.answers.items() if key in command), (1, ""))

    def shutdown(self) -> None:
        self.commands.append("shut down")

    def start(self) -> None:
        self.commands.append("start")


def test_a_generation_is_booted_by_systemd_boot(tmp_path: Path) -> None:
    guest = Guest(
        tmp_path,
        {
            "readlink -e /nix/var/nix/profiles/system-2-link": f"{B}\n",
            "test -e /sys": "",
            f"init={B}/init": "/boot/loader/entries/nixos-0a1b+2-1.conf\n",
            "bootctl set-oneshot": "",
            "/run/booted-system": f"{B}\n",
        },
    )
    assert EFIMachine(guest, SLIPWAY).boot_generation(2) == B
    assert guest.commands[-4:] == [
        "bootctl set-oneshot 'nixos-0a1b[+.]*conf'", "shut down", "start", "readlink -e /run/booted-system",
    ]


def test_a_specialisation_is_booted_by_grub(tmp_path: Path) -> None:
    link = "/nix/var/nix/profiles/system-profiles/test-1-link/specialisation/verbose"
    answers = {link: f"{B}-verbose\n", "cat /boot/grub/grub.cfg": MENU, "next_entry": "", "/run/booted-system": A}
    guest = Guest(tmp_path, answers)
    efi = EFIMachine(guest, SLIPWAY)
    with pytest.raises(AssertionError, match=f"tiny booted {A}, and should have booted {B}-verbose"):
        efi.boot_generation(1, profile="test", specialisation="verbose")
    assert guest.commands[-4].endswith("set next_entry='2>0'")


@pytest.mark.parametrize(
    ("answers", "cause"),
    [
        ({}, "has no /nix/var/nix/profiles/system-7-link"),
        ({"system-7": B, "test -e": "", "bootctl": ""}, "no entry of systemd-boot's starts"),
        ({"system-7": "/nix", "cat": MENU}, "no entry of GRUB's menu starts /nix"),
        ({"system-7": B}, "a command of tiny failed with status 1: cat /boot/grub/grub.cfg"),
    ],
)
def test_a_generation_that_cannot_be_chosen_is_said(answers: dict[str, str], cause: str, tmp_path: Path) -> None:
    guest = Guest(tmp_path, answers)
    with pytest.raises(EFIMachineError, match=f"cannot boot generation 7 of the profile system: .*{cause}"):
        EFIMachine(guest, SLIPWAY).boot_generation(7)
    assert "shut down" not in guest.commands

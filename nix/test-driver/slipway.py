"""EFI variables, generations, power cuts and boots that must fail, for the test scripts of NixOS's test driver.

`EFIMachine` stands beside a machine of the driver, whose interface it uses as it is. It is for machines with
`virtualisation.useEFIBoot`, most of them with `virtualisation.useBootLoader`: their start scripts keep the disk in
`NIX_DISK_IMAGE` and the EFI variables in `NIX_EFI_VARS`, from one start to the next.

    from slipway import EFIMachine

    efi = EFIMachine(machine, slipway="${slipway}/bin/slipway")

    machine.wait_for_unit("multi-user.target")
    efi.cut_power()

    efi.boot_next("Linux Boot Manager")
    efi.set_efi_variable("Timeout", "0")
    machine.wait_for_unit("multi-user.target")
    assert not any(variable.name == "BootNext" for variable in efi.efi_variables())

    efi.boot_generation(1)

    machine.succeed("rm -r /boot/EFI")
    machine.shutdown()
    efi.assert_cannot_boot(timeout=120)

Variables are edited while the machine is off, as a firmware that runs has its own view of them: methods that would
lose data refuse a machine that runs. Failures of what was asserted are `AssertionError`, everything else is
`EFIMachineError`.
"""

from __future__ import annotations

import enum
import json
import os
import queue
import re
import shlex
import shutil
import socket
import subprocess
import threading
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

__all__ = ["EFIAttributes", "EFIMachine", "EFIMachineError", "EFIVariable"]

# What a console shows of a boot that can no longer succeed, and what it means.
_LOSSES = (
    ("Kernel panic - not syncing", "the kernel panicked"),
    ("You are in emergency mode", "the system stopped in an emergency shell"),
    ("You are in rescue mode", "the system stopped in a rescue shell"),
    ("Entering emergency mode", "the initrd stopped in an emergency shell"),
    ("An error occurred in stage 1 of the boot process", "the initrd could not start the system"),
    ("Entering rescue mode...", "GRUB stopped in its rescue shell"),
    ("BdsDxe: No bootable option or device was found", "the firmware found nothing to boot"),
    ("UEFI Interactive Shell v", "the firmware found nothing to boot and started its shell"),
    ("Press any key to enter the Boot Manager Menu", "the firmware found nothing to boot"),
    ("X64 Exception Type", "the firmware or a boot loader crashed"),
    ("Synchronous Exception at", "the firmware or a boot loader crashed"),
)
# What the firmware says of an entry that it cannot start, and how it ends where Secure Boot does not let it start.
_NOT_LOADED = "BdsDxe: failed to load "
_REFUSAL = ": Access Denied"
# What systemd-boot sets at each boot by it (systemd.io/BOOT_LOADER_INTERFACE).
_LOADER_INFO = "/sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
# What boot counting adds to the name of an entry's file, and the pattern that takes the name with and without it:
# systemd-boot has it in the entry's identifier before its version 259, and bootctl has not.
_BOOT_COUNT = re.compile(r"\+[0-9]+(-[0-9]+)?\.(?=[a-z]+$)")
_ANY_BOOT_COUNT = "[+.]*"
# What the driver's shell in the guest says first.
_BACKDOOR = b"Spawning backdoor root shell..."
# Whole lines that only a system prints that is up: the driver reads no line before its end, so no prompt.
_SYSTEM_UP = r"<<< Welcome to .* >>>|Reached target .*Multi-User System"
_CONTROL_SEQUENCE = re.compile(r"\x1b(?:\[[0-9;?=]*[A-Za-z]|[()][A-Z0-9]|[=>78Mc])")
# Seconds without output after which a console counts as silent.
_SILENCE = 10.0


class EFIMachineError(Exception):
    """Something could not be done; nothing was asserted."""


class EFIAttributes(enum.IntFlag):
    """Attributes of a variable, by the UEFI specification's names."""

    NON_VOLATILE = 0x01
    BOOTSERVICE_ACCESS = 0x02
    RUNTIME_ACCESS = 0x04
    HARDWARE_ERROR_RECORD = 0x08
    AUTHENTICATED_WRITE_ACCESS = 0x10
    TIME_BASED_AUTHENTICATED_WRITE_ACCESS = 0x20
    APPEND_WRITE = 0x40


@dataclass(frozen=True)
class EFIVariable:
    """A variable as the store has it; `time` is the EFI_TIME of an authenticated variable, 16 bytes."""

    name: str
    vendor: uuid.UUID
    attributes: EFIAttributes
    data: bytes
    time: bytes | None = None


class DriverMachine(Protocol):
    """What is used of the test driver's `Machine` (`QemuMachine` in newer drivers)."""

    @property
    def name(self) -> str: ...
    @property
    def state_dir(self) -> Path: ...
    @property
    def start_command(self) -> Any: ...
    @property
    def process(self) -> subprocess.Popen[bytes] | None: ...
    @property
    def shell(self) -> socket.socket | None: ...
    @property
    def serial_thread(self) -> threading.Thread | None: ...
    @property
    def last_lines(self) -> queue.Queue[str]: ...
    def log(self, msg: str) -> None: ...
    def start(self) -> None: ...
    def crash(self) -> None: ...
    def wait_for_shutdown(self) -> None: ...
    def execute(self, command: str) -> tuple[int, str]: ...
    def shutdown(self) -> None: ...


class EFIMachine:
    """A machine of the test driver, its EFI variables and its power.

    - `machine`: the machine of the driver.
    - `slipway`: the command; a path, or a name in PATH.
    - `variables`: the variable store. By default what NIX_EFI_VARS names, or else what the start script uses.
    - `template`: what the store is made from when variables are edited before the first start. By default what the
      start script copies.
    - `system_up`: regular expression for a line of the serial console that means that the system is up, beside the
      driver's own shell.
    """

    def __init__(
        self,
        machine: DriverMachine,
        slipway: str | os.PathLike[str] = "slipway",
        *,
        variables: str | os.PathLike[str] | None = None,
        template: str | os.PathLike[str] | None = None,
        system_up: str = _SYSTEM_UP,
    ) -> None:
        self.machine = machine
        self._slipway = os.fspath(slipway)
        script = _StartScript(machine)
        self._variables = Path(machine.state_dir, variables or script.variables)
        self._template = template or script.template
        self._system_up = re.compile(system_up)

    def efi_variables(self) -> list[EFIVariable]:
        """All variables, by vendor and name. Of a machine that runs: what the firmware has stored by now."""
        source = self._variables if self._variables.exists() else self._require_template("list the EFI variables")
        document = json.loads(self._efivars("show", "--json", "--", str(source)))
        return [
            EFIVariable(
                name=entry["name"],
                vendor=uuid.UUID(entry["guid"]),
                attributes=EFIAttributes(entry["attr"]),
                data=bytes.fromhex(entry["data"]),
                time=bytes.fromhex(entry["time"]) if "time" in entry else None,
            )
            for entry in document["variables"]
        ]

    def set_efi_variable(self, name: str, value: str | bytes, vendor: uuid.UUID | str | None = None) -> None:
        """Gives a variable a value: bytes as they are, text in the form that `slipway efivars get` prints.

        Without `vendor` it is the one that the store or the UEFI specification has for the name. A variable that is
        there keeps its attributes.
        """
        store = self._store_to_edit(f"set the EFI variable {name}")
        if isinstance(value, bytes):
            self._efivars("set", "--file=/dev/stdin", *_vendor(vendor), "--", store, name, data=value)
        else:
            self._efivars("set", f"--data={value}", *_vendor(vendor), "--", store, name)

    def delete_efi_variable(self, name: str, vendor: uuid.UUID | str | None = None) -> None:
        """Deletes a variable; one that is not there is an error."""
        store = self._store_to_edit(f"delete the EFI variable {name}")
        self._efivars("delete", *_vendor(vendor), "--", store, name)

    def boot_next(self, entry: str | int) -> int:
        """Makes the firmware start an entry at the next boot, and only then.

        `entry` is the entry's number, or its description. Returns the number.
        """
        store = self._store_to_edit(f"set the next boot to {entry}")
        output = self._efivars("boot-next", "--", store, f"{entry:04X}" if isinstance(entry, int) else entry)
        return int(output.split()[-1], 16)

    def boot_generation(self, number: int, *, profile: str = "system", specialisation: str | None = None) -> str:
        """Shuts the machine down, which runs, and has its bootloader start a generation, or a specialisation of it.

        That is for one boot: the bootloader's default stays. systemd-boot and GRUB are known. Returns the store path
        that has booted; raises AssertionError when it is another one than the generation's.
        """
        attempt = f"boot generation {number} of the profile {profile}"
        folder = "/nix/var/nix/profiles" + ("" if profile == "system" else "/system-profiles")
        link = f"{folder}/{profile}-{number}-link" + (f"/specialisation/{specialisation}" if specialisation else "")
        status, output = self.machine.execute(f"readlink -e {shlex.quote(link)}")
        if status != 0:
            raise EFIMachineError(f"cannot {attempt}: {self.machine.name} has no {link}")
        toplevel = output.strip()
        if self.machine.execute(f"test -e {_LOADER_INFO}")[0] == 0:
            self._choose_systemd_boot_entry(toplevel, attempt)
        else:
            self._choose_grub_entry(toplevel, attempt)
        self.machine.shutdown()
        self.machine.start()
        booted = self._run("readlink -e /run/booted-system", "tell what has booted").strip()
        if booted != toplevel:
            raise AssertionError(f"{self.machine.name} booted {booted}, and should have booted {toplevel}")
        return booted

    def _choose_systemd_boot_entry(self, toplevel: str, attempt: str) -> None:
        # By what it starts: the names of files and the titles differ from release to release, and with UKIs.
        files = self._run(
            "boot=$(bootctl --print-boot-path) && { "
            f"grep -asFl {shlex.quote(f'init={toplevel}/init')} "
            '"$boot"/loader/entries/*.conf "$boot"/EFI/Linux/*.efi; true; }',
            attempt,
        ).splitlines()
        if not files:
            raise EFIMachineError(f"cannot {attempt}: no entry of systemd-boot's starts {toplevel}")
        entry = _BOOT_COUNT.sub(_ANY_BOOT_COUNT, os.path.basename(files[0]))
        self._run(f"bootctl set-oneshot {shlex.quote(entry)}", attempt)

    def _choose_grub_entry(self, toplevel: str, attempt: str) -> None:
        menu = self._run("cat /boot/grub/grub.cfg", attempt)
        entry = _grub_entry(menu, toplevel)
        if entry is None:
            raise EFIMachineError(f"cannot {attempt}: no entry of GRUB's menu starts {toplevel}")
        self._run(
            "env=/boot/grub/grubenv; { test -e $env || grub-editenv $env create; } && "
            f"grub-editenv $env set next_entry={shlex.quote(entry)}",
            attempt,
        )

    def _run(self, command: str, attempt: str) -> str:
        status, output = self.machine.execute(command)
        if status != 0:
            raise EFIMachineError(
                f"cannot {attempt}: a command of {self.machine.name} failed with status {status}: {command}"
            )
        return output

    def cut_power(self) -> None:
        """Ends QEMU at once, without a shutdown of the guest. Disk and variables stay as they are.

        The machine may be off already.
        """
        if self._is_running():
            try:
                self.machine.crash()
            except OSError:
                # QEMU ended by itself meanwhile, and its monitor with it.
                pass
        self.machine.wait_for_shutdown()

    def assert_cannot_boot(self, timeout: float) -> str:
        """Starts the machine, and asserts that the system does not come up within `timeout` seconds.

        Passes, and returns why, as soon as the console shows a failure: words of the firmware or the bootloader, a
        panic, an emergency shell; when QEMU ends; or when the time is over and the console was silent for its last
        ten seconds. Raises AssertionError when the system comes up, and when the console is still busy at the end.

        Silence alone proves as much as the time that was waited for it: give several times what a good boot takes.
        The machine is off afterwards, whatever came of it.
        """
        self._refuse_while_running("start the machine for a boot that must fail")
        self.machine.wait_for_shutdown()
        self.machine.start()
        try:
            reason = self._failure_to_boot(timeout)
        finally:
            self.cut_power()
        self.machine.log(f"cannot boot, as it should: {reason}")
        return reason

    def _failure_to_boot(self, timeout: float) -> str:
        start = heard = time.monotonic()
        last = not_loaded = ""
        while True:
            # Looked at before the console is read: what QEMU printed to its end is then among the lines.
            status = self._exit_status()
            lines = self._console_lines(to_its_end=status is not None)
            now = time.monotonic()
            for line in lines:
                last, heard = line or last, now
                # The first entry that failed is the system's own; a refusal says more than what is not there.
                if _NOT_LOADED in line and (not not_loaded or _REFUSAL in line and _REFUSAL not in not_loaded):
                    not_loaded = line
                if self._system_up.search(line):
                    raise AssertionError(f"{self.machine.name} booted, and should not have: {line}")
                for sign, meaning in _LOSSES:
                    if sign in line:
                        return _lost(meaning, line, not_loaded)
            if self._has_shell():
                raise AssertionError(f"{self.machine.name} booted, and should not have: its root shell is ready")
            shown = f"the last line of the console is: {last}" if last else "the console showed nothing"
            if status == 0:
                return f"the machine reset or powered off before the system was up; {shown}"
            if status is not None:
                raise EFIMachineError(
                    f"cannot tell whether {self.machine.name} boots: QEMU or its start script failed with status "
                    f"{status}; {shown}. What it printed is in the log above"
                )
            if now - start >= timeout:
                if last and now - heard < _SILENCE:
                    raise AssertionError(
                        f"{self.machine.name} is still busy after {timeout:g} seconds, and may boot yet; {shown}. "
                        "Give it a longer timeout"
                    )
                return f"the system was not up after {timeout:g} seconds; {shown}"
            time.sleep(0.1)

    def _console_lines(self, to_its_end: bool) -> list[str]:
        if to_its_end and self.machine.serial_thread is not None:
            self.machine.serial_thread.join(timeout=10)
        lines: list[str] = []
        while True:
            try:
                line = _CONTROL_SEQUENCE.sub("", self.machine.last_lines.get_nowait())
            except queue.Empty:
                return lines
            # The guest writes it: nothing of it controls the terminal that shows the log.
            lines.append("".join(c if c.isprintable() else "?" for c in line).strip())

    def _has_shell(self) -> bool:
        """Whether the driver's shell has said that it is there; what it said stays for the driver to read."""
        if self.machine.shell is None:
            return False
        try:
            return _BACKDOOR in self.machine.shell.recv(65536, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except OSError:
            # Nothing to read yet, or QEMU has ended.
            return False

    def _exit_status(self) -> int | None:
        return None if self.machine.process is None else self.machine.process.poll()

    def _is_running(self) -> bool:
        return self.machine.process is not None and self._exit_status() is None

    def _refuse_while_running(self, attempt: str) -> None:
        if self._is_running():
            raise EFIMachineError(
                f"cannot {attempt}: {self.machine.name} runs; end it first, by shutdown() of the machine or cut_power()"
            )

    def _store_to_edit(self, attempt: str) -> str:
        self._refuse_while_running(attempt)
        if not self._variables.exists():
            # The start script makes no other where there is one.
            new = self._variables.with_name(self._variables.name + ".new")
            shutil.copyfile(self._require_template(attempt), new)
            new.replace(self._variables)
        return str(self._variables)

    def _require_template(self, attempt: str) -> str | os.PathLike[str]:
        if self._template is None:
            raise EFIMachineError(
                f"cannot {attempt}: {self.machine.name} has no {self._variables} before its first start, and its start "
                "script names nothing that it is made from; start the machine once, or give EFIMachine a template"
            )
        return self._template

    def _efivars(self, command: str, *arguments: str, data: bytes = b"") -> str:
        words = [self._slipway, "efivars", command, *arguments]
        try:
            result = subprocess.run(words, input=data, capture_output=True, check=False)
        except OSError as error:
            raise EFIMachineError(
                f"cannot run {self._slipway}: {error.strerror}; give EFIMachine the path of slipway"
            ) from error
        if result.returncode != 0:
            raise EFIMachineError(f"{shlex.join(words)} failed: {result.stderr.decode(errors='replace').strip()}")
        return result.stdout.decode()


class _StartScript:
    """Where a machine's start script keeps its variables, and what it makes them from.

    The command may set NIX_EFI_VARS in front of the script, as a shell's assignment; the script is that of
    nixos/modules/virtualisation/qemu-vm.nix. Paths are relative to the machine's state folder.
    """

    def __init__(self, machine: DriverMachine) -> None:
        words = shlex.split(machine.start_command._cmd)
        assigned: dict[str, str] = {}
        while words and re.match(r"[A-Za-z_]\w*=", words[0]):
            name, _, value = words.pop(0).partition("=")
            assigned[name] = value
        try:
            text = Path(machine.state_dir, words[0]).read_text() if words else ""
        except (OSError, UnicodeDecodeError):
            text = ""  # a program of another kind
        default = re.search(r"\$\{NIX_EFI_VARS:-([^}$]+)\}", text)
        copied = re.search(r"""^\s*cp (\S+) ["']?\$\{?NIX_EFI_VARS\b""", text, re.MULTILINE)
        self.variables = (
            assigned.get("NIX_EFI_VARS")
            or os.environ.get("NIX_EFI_VARS")
            or (default[1] if default else f"{machine.name}-efi-vars.fd")
        )
        self.template = copied[1] if copied else None
        if "$" in self.variables:
            raise EFIMachineError(
                f"cannot tell where the EFI variables of {machine.name} are: its start command sets NIX_EFI_VARS to "
                f"{self.variables}; give EFIMachine the path as 'variables'"
            )


def _grub_entry(menu: str, toplevel: str) -> str | None:
    """The first entry of a menu that starts a system, by its place in each submenu on the way, as `next_entry` takes it."""
    blocks: list[str] = []
    # The number of the entry that was read last, in the menu and in each submenu that is open.
    places = [-1]
    for line in menu.splitlines():
        words = line.split()
        if not words:
            continue
        if words[-1] == "{":
            blocks.append(words[0])
            if words[0] in ("menuentry", "submenu"):
                places[-1] += 1
            if words[0] == "submenu":
                places.append(-1)
        elif words == ["}"] and blocks:
            if blocks.pop() == "submenu":
                places.pop()
        elif blocks and blocks[-1] == "menuentry" and f"init={toplevel}/init" in words:
            return ">".join(map(str, places))
    return None


def _lost(meaning: str, line: str, not_loaded: str) -> str:
    """Why a boot is lost. What the firmware says at the end does not say why; what it said of an entry does."""
    if not not_loaded or not meaning.startswith("the firmware found nothing"):
        return f"{meaning}: {line}"
    if _REFUSAL in not_loaded:
        meaning = "the firmware refused what it found, for want of a signature that it knows"
    return f"{meaning}: {not_loaded}"


def _vendor(vendor: uuid.UUID | str | None) -> list[str]:
    return [] if vendor is None else [f"--vendor={vendor}"]

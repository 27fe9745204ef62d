"""What a real firmware and a real system make of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import REPOSITORY, SLIPWAY, Boot, Image, run
from slipway import EFIMachine, EFIMachineError, EFIVariable

UP = "<<< Welcome to NixOS"


def variable(efi: EFIMachine, name: str) -> EFIVariable:
    return next(variable for variable in efi.efi_variables() if variable.name == name)


def listed_by_virt_firmware(store: Path) -> dict[str, bytes]:
    out = store.with_suffix(".json")
    run(REPOSITORY / ".cache/tools/bin/virt-fw-vars", "--input", store, "--output-json", out)
    return {entry["name"]: bytes.fromhex(entry["data"]) for entry in json.loads(out.read_text())["variables"]}


def test_boot_next_is_for_one_boot_and_power_cuts_lose_nothing(boot: Boot, image: Image) -> None:
    machine = boot(image)
    efi = EFIMachine(machine, SLIPWAY)
    # Before the first start: the store is made as the start script would make it.
    manager = next(v for v in efi.efi_variables() if v.name.startswith("Boot0") and b"L\0i\0n\0u\0x\0" in v.data)
    paths = manager.data[6:].split(b"r\0\0\0", 1)[1]
    efi.set_efi_variable("Boot0077", manager.data[:6] + "Other\0".encode("utf-16-le") + paths)
    assert efi.boot_next("Other") == 0x77

    machine.start()
    machine.wait_for_console_text('starting Boot0077 "Other"', timeout=300)
    edits: list[Callable[[], object]] = [
        lambda: efi.set_efi_variable("Timeout", "1"),
        lambda: efi.delete_efi_variable("Boot0077"),
        lambda: efi.boot_next(0x77),
        lambda: efi.assert_cannot_boot(1),
    ]
    for edit in edits:
        with pytest.raises(EFIMachineError, match="tiny runs; end it first"):
            edit()
    machine.wait_for_console_text(UP, timeout=300)
    assert variable(efi, "Boot0077").data.endswith(paths)
    efi.cut_power()
    efi.cut_power()

    store = machine.state_dir / "tiny-efi-vars.fd"
    assert "BootNext" not in listed_by_virt_firmware(store)
    efi.delete_efi_variable("Boot0077")
    assert "Boot0077" not in listed_by_virt_firmware(store)

    # The disk and the variables are still there; and a good boot is no failure.
    with pytest.raises(AssertionError, match=f"tiny booted, and should not have: {UP}"):
        efi.assert_cannot_boot(timeout=300)
    assert machine.process.poll() is not None
    assert manager == variable(efi, manager.name)


def test_without_an_esp_nothing_boots(boot: Boot, image: Image, tmp_path: Path) -> None:
    wiped = image.copy(tmp_path)
    offset, _ = wiped.partition("ESP")
    with wiped.disk.open("r+b") as disk:
        disk.seek(offset)
        disk.write(bytes(1 << 20))
    reason = EFIMachine(boot(wiped), SLIPWAY).assert_cannot_boot(timeout=300)
    assert reason.startswith("the firmware found nothing to boot")
    assert 'BdsDxe: failed to load Boot0001 "Linux Boot Manager"' in reason


def test_with_another_root_the_system_does_not_start(boot: Boot, image: Image, tmp_path: Path) -> None:
    other = image.copy(tmp_path)
    offset, size = other.partition("root")
    run("mke2fs", "-q", "-F", "-t", "ext4", "-L", "nixos", "-E", f"offset={offset}", other.disk, f"{size >> 10}k")
    reason = EFIMachine(boot(other), SLIPWAY).assert_cannot_boot(timeout=300)
    assert reason.startswith("the initrd could not start the system: An error occurred in stage 1")

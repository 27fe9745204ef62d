"""The image that is booted, and the machines that boot it: with and without the NixOS test driver."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from scripted_machine import ScriptedMachine, start_script

REPOSITORY = Path(__file__).parents[3]
SLIPWAY = os.environ.get("SLIPWAY", str(REPOSITORY / ".build/stage/bin/slipway"))
FIRMWARE = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
TEMPLATE = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")


def run(*words: str | Path) -> str:
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, env=os.environ | {"PATH": path}).stdout


@pytest.fixture(autouse=True)
def no_paths_of_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ["NIX_EFI_VARS", "NIX_DISK_IMAGE"]:
        monkeypatch.delenv(name, raising=False)


@dataclass(frozen=True)
class Image:
    """A raw image and its EFI variables, as Slipway built them."""

    disk: Path
    variables: Path

    def copy(self, folder: Path) -> Image:
        disk = folder / "copy.img"
        run("cp", "--sparse=always", self.disk, disk)
        return Image(disk, self.variables)

    def partition(self, name: str) -> tuple[int, int]:
        """Offset and size of a partition, in bytes."""
        table = json.loads(run("sfdisk", "--json", self.disk))["partitiontable"]
        part = next(part for part in table["partitions"] if part["name"] == name)
        return part["start"] * table["sectorsize"], part["size"] * table["sectorsize"]


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    out = tmp_path_factory.mktemp("image") / "tiny"
    system = run(REPOSITORY / "Tests/Systems/build", "tiny").strip()
    run(SLIPWAY, "build", "--quiet", "--system", system, "--out", out, "--format", "raw")
    yield Image(out / "nixos.img", out / "efi-vars.fd")
    shutil.rmtree(out)


Boot = Callable[[Image], Any]


@pytest.fixture(params=["a QEMU", "NixOS's test driver"])
def boot(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Boot]:
    """Makes a machine of an image, by a start script that treats disk and variables as qemu-vm.nix's does.

    Emulated, as KVM that is there need not work.
    """
    driver = None if request.param == "a QEMU" else nixos_test_driver()
    machines: list[Any] = []

    def make(image: Image) -> Any:
        command = start_script(
            tmp_path,
            f"""set -e
NIX_DISK_IMAGE=$(readlink -f "${{NIX_DISK_IMAGE:-./tiny.qcow2}}")
test -e "$NIX_DISK_IMAGE" || qemu-img create -q -f qcow2 -b '{image.disk}' -F raw "$NIX_DISK_IMAGE"
NIX_EFI_VARS=$(readlink -f "${{NIX_EFI_VARS:-tiny-efi-vars.fd}}")
if ! test -e "$NIX_EFI_VARS"; then
  cp {image.variables} "$NIX_EFI_VARS"
  chmod 0644 "$NIX_EFI_VARS"
fi
exec qemu-system-x86_64 -machine q35,accel=tcg -cpu max -m 512 -nic none \\
  -drive if=pflash,format=raw,readonly=on,file={FIRMWARE} \\
  -drive if=pflash,format=raw,file="$NIX_EFI_VARS" \\
  -drive if=virtio,format=qcow2,file="$NIX_DISK_IMAGE" "$@"
""",
        )
        machine = ScriptedMachine(command, tmp_path) if driver is None else driver(command, tmp_path)
        machines.append(machine)
        return machine

    yield make
    for machine in machines:
        machine.release()


def nixos_test_driver() -> Callable[[str, Path], Any]:
    """Makes machines of the test driver of the nixpkgs that NIXPKGS names."""
    if not (nixpkgs := os.environ.get("NIXPKGS")):
        pytest.skip("set NIXPKGS to a checkout of nixpkgs to test with its test driver")
    folder = Path(nixpkgs, "nixos/lib/test-driver")
    sys.path.insert(0, str(folder / "src" if (folder / "src").exists() else folder))
    driver, logger = importlib.import_module("test_driver.machine"), importlib.import_module("test_driver.logger")

    def make(command: str, tmp_dir: Path) -> Any:
        parts = {"out_dir": tmp_dir, "tmp_dir": tmp_dir, "logger": logger.TerminalLogger()}
        if hasattr(driver, "QemuMachine"):
            return driver.QemuMachine(start_command=command, **parts)
        script = driver.NixStartScript(command)
        return driver.Machine(start_command=script, name=script.machine_name, **parts)

    return make

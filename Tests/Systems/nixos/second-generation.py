"""Usage: second-generation.py IMAGE VARIABLES FIRST SECOND

Boots IMAGE with FIRST, has it make SECOND the next generation, as nixos-rebuild does, reboots, and ends with 0 when SECOND
has booted. VARIABLES: the EFI variables' file; without one ('') it boots by BIOS. Neither file is written to. What the
console shows is on standard output.
"""

import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

FIRMWARE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
PROFILE = "/nix/var/nix/profiles/system"
SECONDS = 900


class Console:
    """A machine's serial line, with root's shell on it after `log_in`."""

    def __init__(self, machine):
        self.machine = machine
        self.deadline = time.monotonic() + SECONDS
        self.unread = ""

    def wait(self, pattern):
        """Waits for a match in what was not read before, and takes everything up to its end as read."""
        while not (match := re.search(pattern, self.unread)):
            left = self.deadline - time.monotonic()
            if left <= 0 or not select.select([self.machine.stdout], [], [], left)[0]:
                sys.exit(f"\nsecond-generation: no '{pattern}' on the console after {SECONDS} s")
            piece = os.read(self.machine.stdout.fileno(), 65536).decode(errors="replace")
            if not piece:
                sys.exit(f"\nsecond-generation: the machine ended before its console showed '{pattern}'")
            sys.stdout.write(piece)
            sys.stdout.flush()
            self.unread += piece
        self.unread = self.unread[match.end() :]
        return match

    def type(self, line):
        self.machine.stdin.write(f"{line}\n".encode())
        self.machine.stdin.flush()

    def log_in(self):
        self.wait("login: ")
        self.type("root")
        self.wait(r"# ?(\x1b\[[0-9;]*m)* ?$")

    def run(self, command):
        """Runs a command, which has to end with 0. What was typed is shown, too, so the status is computed."""
        self.type(f"{command}; echo status-$?-end")
        status = self.wait("status-([0-9]+)-end")[1]
        if status != "0":
            sys.exit(f"\nsecond-generation: '{command}' ended with {status}")


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    image, variables, first, second = sys.argv[1:]
    with tempfile.TemporaryDirectory() as scratch:
        words = ["-machine", "q35", "-accel", "tcg", "-cpu", "max", "-m", "1024", "-smp", "2"]
        words += ["-display", "none", "-serial", "stdio", "-monitor", "none", "-nic", "none"]
        words += ["-drive", f"if=virtio,format=raw,snapshot=on,file={image}"]
        if variables:
            store = shutil.copy(variables, os.path.join(scratch, "variables.fd"))
            words += ["-drive", f"if=pflash,format=raw,readonly=on,file={FIRMWARE}"]
            words += ["-drive", f"if=pflash,format=raw,file={store}"]
        with subprocess.Popen(["qemu-system-x86_64", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as machine:
            try:
                console = Console(machine)
                console.log_in()
                console.run(f"test $(readlink -f /run/booted-system) = {first}")
                console.run(f"nix-env -p {PROFILE} --set {second}")
                console.run(f"{second}/bin/switch-to-configuration boot")
                console.type("systemctl reboot; sleep 600")
                console.log_in()
                console.run(f"test $(readlink -f /run/booted-system) = {second}")
                console.run(f"test $(readlink {PROFILE}) = system-2-link")
                console.run("grep generation=2 /proc/cmdline")
                console.run("systemctl is-system-running --wait")
            finally:
                machine.kill()


main()

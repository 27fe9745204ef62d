"""A machine with the interface of the test driver's, around a start script of the tests."""

from __future__ import annotations

import os
import queue
import re
import shlex
import signal
import socket
import stat
import subprocess
import threading
import time
from pathlib import Path
from types import SimpleNamespace


class ScriptedMachine:
    """Stands in for `Machine` of the test driver: starts, shows the console a line at a time, and is killed."""

    def __init__(self, command: str, tmp_dir: Path, name: str = "tiny") -> None:
        self.name = name
        self.state_dir = tmp_dir / f"vm-state-{name}"
        self.state_dir.mkdir()
        self.start_command = SimpleNamespace(_cmd=command)
        self.process: subprocess.Popen[bytes] | None = None
        self.shell: socket.socket | None = None
        self.serial_thread: threading.Thread | None = None
        self.last_lines: queue.Queue[str] = queue.Queue()
        self.booted = False

    def log(self, msg: str) -> None:
        print(f"{self.name}: {msg}")

    def start(self) -> None:
        if self.booted:
            return
        process = subprocess.Popen(
            self.start_command._cmd + " -serial stdio -no-reboot -display none -monitor none",
            shell=True,
            cwd=self.state_dir,
            env=os.environ | {"TMPDIR": str(self.state_dir), "USE_TMPDIR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        lines: queue.Queue[str] = queue.Queue()
        self.process, self.last_lines, self.booted = process, lines, True

        def read() -> None:
            assert process.stdout is not None
            for line in process.stdout:
                text = line.decode(errors="ignore").replace("\r", "").rstrip()
                lines.put(text)
                self.log(f"# {text!r}")

        self.serial_thread = threading.Thread(target=read)
        self.serial_thread.start()

    def crash(self) -> None:
        if self.booted and self.process is not None:
            # The shell that runs the command need not be what became of it.
            os.killpg(self.process.pid, signal.SIGKILL)
            self.wait_for_shutdown()

    def execute(self, command: str) -> tuple[int, str]:
        raise NotImplementedError("nothing runs commands in this machine")

    def shutdown(self) -> None:
        raise NotImplementedError("nothing shuts this machine down but its guest")

    def wait_for_shutdown(self) -> None:
        if self.booted and self.process is not None:
            self.process.wait()
            self.booted = False

    def wait_for_console_text(self, regex: str, timeout: int) -> None:
        deadline = time.monotonic() + timeout
        while True:
            line = self.last_lines.get(timeout=max(0.0, deadline - time.monotonic()))
            if re.search(regex, line):
                return

    def release(self) -> None:
        self.crash()
        if self.serial_thread is not None:
            self.serial_thread.join()


def start_script(folder: Path, body: str) -> str:
    """The command of a new script, which has the name that the test driver reads a machine's name from."""
    script = folder / "run-tiny-vm"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return shlex.quote(str(script))

"""The owner of a lock: a process, described so that another process can tell later whether it has ended."""

from __future__ import annotations

import getpass
import json
import os
import signal
import socket
import time
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from deployer.system import documents

TERMINATE_SECONDS = 10.0
POLL_SECONDS = 0.02
PROC = Path("/proc")
# Fields of /proc/PID/stat, counted from the one after the program's name.
STATE, STARTED = 0, 19
ENDED_STATES = ("Z", "X")


@dataclass(frozen=True)
class Owner:
    """A process. Its pid and start time are unique on its `machine`."""

    pid: int
    user: str
    host: str
    since: str
    machine: str
    started: str

    def __str__(self) -> str:
        return f"process {self.pid} of {self.user} on {self.host}, since {self.since}"

    @property
    def is_local(self) -> bool:
        """Whether the process belongs to this machine."""
        return self.machine == _machine_id()

    @property
    def has_ended(self) -> bool:
        """Whether a process of this machine has ended. A new process with the same pid started at another time."""
        return self.is_local and _start_time(self.pid) != self.started

    def to_json(self) -> str:
        """Return the owner as JSON, for `parse_owner`."""
        return json.dumps(asdict(self))

    def terminate(self) -> bool:
        """Terminate a process of this machine, which undoes its change, or kill it; return whether it ended."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.is_local and not self.has_ended:
                os.kill(self.pid, number)
                self._wait()
        return self.has_ended

    def _wait(self) -> None:
        end = time.monotonic() + TERMINATE_SECONDS
        while not self.has_ended and time.monotonic() < end:
            time.sleep(POLL_SECONDS)


def parse_owner(text: str) -> Owner | None:
    """Return the owner that `Owner.to_json` wrote; None for any other text."""
    try:
        return documents.read(Owner, json.loads(text))
    except (ValueError, TypeError, RecursionError):
        return None


def current_owner() -> Owner:
    """Return this process as an owner, from now on."""
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    return Owner(
        os.getpid(), current_user(), socket.gethostname(), since, _machine_id(), _start_time(os.getpid()) or ""
    )


def current_user() -> str:
    """Return the name of the user who runs this process, or the number of a user without a name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


@cache
def _machine_id() -> str:
    # Pids are unique within a boot of the kernel and a namespace: another container is another machine.
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {(PROC / 'self/ns/pid').readlink()}"
    except OSError:
        import uuid

        # Not Linux. Without a network card getnode() is a new random number in each process.
        return f"{socket.gethostname()} {uuid.getnode():x}"


def _start_time(pid: int) -> str | None:
    """Return when a process started, in the system's own form; None when it has ended or never was."""
    if not PROC.is_dir():
        return _psutil_start_time(pid)
    try:
        fields = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return fields[STARTED] if fields[STATE] not in ENDED_STATES else None


def _psutil_start_time(pid: int) -> str | None:
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else str(process.create_time())
    except (psutil.Error, ValueError):
        return None

"""Who holds a lock: a process, told well enough to know later whether it is still there."""

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
from typing import cast

from deployer.system import documents

TERMINATE_SECONDS = 10.0
POLL_SECONDS = 0.02
PROC = Path("/proc")
STATE, STARTED = 0, 19
"""Of the words behind the program's name in /proc/PID/stat."""
ENDED_STATES = ("Z", "X")


@dataclass(frozen=True)
class Owner:
    """A process. `machine` is what its pid is unique in, together with `started`."""

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
        """Whether it is, or was, a process of this very machine."""
        return self.machine == _machine_id()

    @property
    def has_ended(self) -> bool:
        """Whether it has ended, as far as can be known here: a pid that was given again is another process."""
        return self.is_local and _start_time(self.pid) != self.started

    def to_json(self) -> str:
        """As JSON, for `owner_from`."""
        return json.dumps(asdict(self))

    def terminate(self) -> bool:
        """Have a process of this machine undo what it began, or kill it; whether it is gone."""
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
    """What `Owner.to_json` wrote, or None for anything else."""
    try:
        return cast("Owner", documents.read(Owner, json.loads(text)))
    except (ValueError, TypeError, RecursionError):
        return None


def current_owner() -> Owner:
    """This process, now."""
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    return Owner(
        os.getpid(), current_user(), socket.gethostname(), since, _machine_id(), _start_time(os.getpid()) or ""
    )


def current_user() -> str:
    """Who runs this process: a name, or the number of one who has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


@cache
def _machine_id() -> str:
    """This boot of the kernel and this namespace of pids: another container on the same kernel is another machine.

    Elsewhere than on Linux the machine by its network card; one that has none to tell is taken for another each time.
    """
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {(PROC / 'self/ns/pid').readlink()}"
    except OSError:
        import uuid

        return f"{socket.gethostname()} {uuid.getnode():x}"


def _start_time(pid: int) -> str | None:
    """When a process started, as the system tells it; None where there is none, or it has ended."""
    if not PROC.is_dir():
        return _psutil_start_time(pid)
    try:
        words = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return words[STARTED] if words[STATE] not in ENDED_STATES else None


def _psutil_start_time(pid: int) -> str | None:
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else str(process.create_time())
    except (psutil.Error, ValueError):
        return None

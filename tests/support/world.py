"""Looks at what is there: processes, ports, directories."""

from __future__ import annotations

import contextlib
import itertools
import socket
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import psutil
import pytest

from deployer.engines import ports

MODELS = Path(__file__).parents[1] / "contract" / "server" / "data" / "models"
"""Small SavedModels, among them half_plus_two in three versions."""
FIRST_PORT, PORTS_EACH = 10_000, 200
_GUARDS: list[socket.socket] = []


def servers(directory: Path) -> list[psutil.Process]:
    """The model servers whose run directory lies below a directory."""
    found = []
    for process in psutil.process_iter():
        try:
            ours = any(word.startswith(f"--run_dir={directory.resolve()}") for word in process.cmdline())
            if ours and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def only_servers_below(monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
    """Commands in this process see no embedded servers of other directories than those below a directory."""
    from deployer.engines.embedded import processes

    find = processes.find_servers
    monkeypatch.setattr(
        processes,
        "find_servers",
        lambda: tuple(each for each in find() if each.state_dir.is_relative_to(directory.resolve())),
    )


def listens(port: int, host: str = "127.0.0.1") -> bool:
    """Whether somebody accepts connections there."""
    with socket.socket() as sock:
        sock.settimeout(2)
        return sock.connect_ex((host, port)) == 0


def free_port() -> int:
    """A port that nothing listens on, from a range that only this process draws from, each in its turn.

    The range ends at LOWEST, where the tool's choice begins; the system gives clients ports above both.
    """
    for port in itertools.islice(_own_ports(), PORTS_EACH):
        with contextlib.suppress(OSError), socket.socket() as sock:
            sock.bind(("127.0.0.1", port))
            return port
    raise AssertionError("every port of this process's range is in use")


@cache
def _own_ports() -> Iterator[int]:
    """Endlessly. The first port of a range stays bound while the process lives: so others see that it is taken."""
    for first in range(FIRST_PORT, ports.LOWEST_PORT, PORTS_EACH):
        guard = socket.socket()
        try:
            guard.bind(("127.0.0.1", first))
        except OSError:
            guard.close()
            continue
        _GUARDS.append(guard)
        return itertools.cycle(range(first + 1, first + PORTS_EACH))
    raise AssertionError("more test processes run at once than there are ranges of ports")


def eventually(condition: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    """Wait for a condition; fail with `what` when it does not come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)


def state_left(project: Path) -> list[str]:
    """What is in the state directory besides the history."""
    state = project / ".deployer"
    there = sorted(path.name for path in state.iterdir()) if state.is_dir() else []
    return [name for name in there if not name.startswith("ledger.db")]

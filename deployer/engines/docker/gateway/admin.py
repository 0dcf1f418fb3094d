"""Speaks to a running gateway through its runtime socket: which slot takes new requests, what is still in flight."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deployer.engines.docker.gateway.directory import SLOTS, SOCKET, other_slot
from deployer.errors import EngineError
from deployer.system.wait import Deadline, wait_until

SECONDS = 10.0
BACKENDS = ("rest", "grpc")
CHUNK_BYTES = 1 << 16
SERVERS_ONLY = "show stat -1 4 -1"


@dataclass(frozen=True)
class Admin:
    """The gateway whose socket is in `folder`."""

    directory: Path

    def accepts_requests(self) -> bool:
        """Whether it is there and goes on taking requests: one that was told to stop does not."""
        try:
            reply = self._execute("show info")
        except OSError:
            return False
        return "Stopping: 0" in reply.splitlines()

    def check(self) -> None:
        """Raise EngineError unless both slots are there: the template may be somebody's own."""
        expected = {(backend, slot) for backend in BACKENDS for slot in SLOTS}
        if missing := expected - set(self._in_flight()):
            names = ", ".join(sorted("/".join(pair) for pair in missing))
            raise EngineError(f"the gateway's config lacks the servers {names}", hint="check haproxy.cfg.j2")

    def route_to(self, slot: str) -> None:
        """New requests go to this slot; those in flight at the other one end there. Raises EngineError."""
        states = ((slot, "ready"), (other_slot(slot), "drain"))
        self._set_states(
            [f"set server {backend}/{server} state {state}" for server, state in states for backend in BACKENDS]
        )

    def drain(self, slot: str, seconds: float) -> bool:
        """Wait until nothing is in flight at a slot, and close it; whether that came true in time."""
        done = wait_until(lambda: self._in_flight_at(slot) == 0, Deadline.after(seconds))
        self._set_states([f"set server {backend}/{slot} state maint" for backend in BACKENDS])
        return done

    def await_idle(self, seconds: float) -> None:
        """Wait until nothing is in flight anywhere; one that has ended is quiet."""

        def is_quiet() -> bool:
            try:
                return not any(self._in_flight().values())
            except EngineError:
                return True

        wait_until(is_quiet, Deadline.after(seconds))

    def _in_flight_at(self, slot: str) -> int:
        return sum(count for (_, server), count in self._in_flight().items() if server == slot)

    def _in_flight(self) -> dict[tuple[str, str], int]:
        """Requests by (backend, slot)."""
        with _socket_errors():
            rows = [line.split(",") for line in self._execute(SERVERS_ONLY).splitlines() if line]
        columns = {name: number for number, name in enumerate(rows[0])} if rows else {}
        name, server, current = (columns.get(key, 0) for key in ("# pxname", "svname", "scur"))
        return {(row[name], row[server]): int(row[current] or 0) for row in rows[1:]}

    def _set_states(self, commands: list[str]) -> None:
        """Commands that say nothing when all is well."""
        with _socket_errors():
            reply = self._execute(";".join(commands)).strip()
        if reply:
            raise EngineError(f"the gateway refused to switch: {reply[:200]}", hint="deployer up again makes it anew")

    def _execute(self, command: str) -> str:
        """Through the open folder: a socket's own path may be longer than the kernel takes."""
        directory = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(SECONDS)
                sock.connect(f"/proc/self/fd/{directory}/{SOCKET}")
                sock.sendall(f"{command}\n".encode())
                return b"".join(iter(lambda: sock.recv(CHUNK_BYTES), b"")).decode("utf-8", "replace")
        finally:
            os.close(directory)


@contextmanager
def _socket_errors() -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, IndexError) as error:
        raise EngineError(f"the gateway cannot be spoken to: {error}", hint="run the command again") from error

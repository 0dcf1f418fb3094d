"""The runtime socket of a running gateway: route requests to a slot, and count those in flight."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deployer.engines.docker.gateway.directory import SLOTS, ask_socket, other_slot
from deployer.errors import EngineError
from deployer.system.wait import Deadline, wait_until

BACKENDS = ("rest", "grpc")
SERVERS_ONLY = "show stat -1 4 -1"


@dataclass(frozen=True)
class Admin:
    """The runtime interface of the gateway whose socket is in `directory`, where `ask` sends commands to it."""

    directory: Path
    ask: Callable[[Path, str], str] = ask_socket

    def accepts_requests(self) -> bool:
        """Return whether the gateway runs and is not stopping."""
        try:
            reply = self._execute("show info")
        except OSError:
            return False
        return "Stopping: 0" in reply.splitlines()

    def check(self) -> None:
        """Raise EngineError unless both slots exist: the template may be the user's own."""
        expected = {(backend, slot) for backend in BACKENDS for slot in SLOTS}
        if missing := expected - set(self._in_flight()):
            names = ", ".join(sorted("/".join(pair) for pair in missing))
            raise EngineError(f"the gateway's config lacks the servers {names}", hint="check haproxy.cfg.j2")

    def route_to(self, slot: str) -> None:
        """Route new requests to a slot; requests in flight finish at the other one. Raise EngineError."""
        states = ((slot, "ready"), (other_slot(slot), "drain"))
        self._set_states(
            [f"set server {backend}/{server} state {state}" for server, state in states for backend in BACKENDS]
        )

    def drain(self, slot: str, seconds: float) -> bool:
        """Wait until a slot has no requests in flight, then disable it; return whether it was in time."""
        done = wait_until(lambda: self._in_flight_at(slot) == 0, Deadline.after(seconds))
        self._set_states([f"set server {backend}/{slot} state maint" for backend in BACKENDS])
        return done

    def await_idle(self, seconds: float) -> None:
        """Wait until no request is in flight, or the gateway has ended."""

        def is_quiet() -> bool:
            try:
                return not any(self._in_flight().values())
            except EngineError:
                return True

        wait_until(is_quiet, Deadline.after(seconds))

    def _in_flight_at(self, slot: str) -> int:
        return sum(count for (_, server), count in self._in_flight().items() if server == slot)

    def _in_flight(self) -> dict[tuple[str, str], int]:
        """Return the number of requests by (backend, slot)."""
        with _socket_errors():
            rows = [line.split(",") for line in self._execute(SERVERS_ONLY).splitlines() if line]
        columns = {name: number for number, name in enumerate(rows[0])} if rows else {}
        name, server, current = (columns.get(key, 0) for key in ("# pxname", "svname", "scur"))
        return {(row[name], row[server]): int(row[current] or 0) for row in rows[1:]}

    def _set_states(self, commands: list[str]) -> None:
        """Execute commands that answer nothing on success."""
        with _socket_errors():
            reply = self._execute(";".join(commands)).strip()
        if reply:
            raise EngineError(f"the gateway refused to switch: {reply[:200]}", hint="deployer up replaces it")

    def _execute(self, command: str) -> str:
        return self.ask(self.directory, command)


@contextmanager
def _socket_errors() -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, IndexError) as error:
        raise EngineError(
            f"the gateway's admin socket cannot be used: {error}", hint="run the command again"
        ) from error

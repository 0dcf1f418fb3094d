"""The TCP ports of the engine's machine, from its kernel's tables: a port cannot be bound there to try it."""

from __future__ import annotations

import ipaddress
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from deployer.engines.port_holders import PortHolder
from deployer.engines.ports import ANY_ADDRESS, ATTEMPTS, LOWEST_PORT
from deployer.errors import EngineError, PortTaken

SCRIPT = (
    "cat /proc/sys/net/ipv4/ip_local_port_range /proc/sys/net/ipv4/ip_unprivileged_port_start && "
    "cat /proc/net/tcp /proc/net/tcp6 2>/dev/null || true"
)
FRESH_SECONDS = 3.0
LISTEN = "0A"


@dataclass(frozen=True)
class PortTable:
    """The ports that are listened on, each with its address; and the first ports of two ranges of the kernel."""

    listening: tuple[tuple[str, int], ...]
    first_ephemeral: int
    first_unprivileged: int

    @classmethod
    def parse(cls, text: str) -> PortTable:
        """Return the table from what the script prints. Raise EngineError."""
        lines = text.splitlines()
        if not lines:
            return UNKNOWN
        try:
            return cls(tuple(_listening(lines[2:])), int(lines[0].split()[0]), int(lines[1]))
        except (IndexError, ValueError) as error:
            raise EngineError(f"the ports of the engine's machine cannot be read: {error}") from error

    def is_taken(self, host: str, port: int) -> bool:
        """Return whether something listens on a port such that `host` cannot be bound to it."""
        hosts = [address for address, listened in self.listening if listened == port]
        return bool(hosts) and (host in ANY_ADDRESS or not {host, *ANY_ADDRESS}.isdisjoint(hosts))


UNKNOWN = PortTable((), 1 << 15, 1024)
"""The table of a machine that cannot be asked yet: the engine itself reports a port that is taken."""


@dataclass
class RemotePorts:
    """The ports of the machine on which `run` runs a shell script; `machine` is its name in messages."""

    run: Callable[[str], str]
    machine: str
    _read: tuple[float, PortTable] | None = field(default=None, init=False)

    def table(self, *, fresh: bool = False) -> PortTable:
        """Return the table, which is read again after a few seconds, or at once if it must be `fresh`."""
        if fresh or self._read is None or time.monotonic() - self._read[0] > FRESH_SECONDS:
            self._read = (time.monotonic(), PortTable.parse(self.run(SCRIPT)))
        return self._read[1]

    def check_free(self, host: str, port: int) -> None:
        if self.table().is_taken(host, port):
            raise PortTaken(
                f"port {port} on {host} of {self.machine} is taken by {self.holder(port)}",
                port=port,
                hint="choose another, or 0 for any free one",
            )

    def check_host(self, host: str) -> None:
        """Do nothing: an address cannot be bound there to try it, and the engine refuses one that it does not have."""

    def first_free(self, host: str, *preferred: int | None) -> int:
        return next((port for port in preferred if port and not self.table().is_taken(host, port)), 0)

    def any_free(self, host: str, *exclude: int | None) -> int:
        below = range(LOWEST_PORT, max(LOWEST_PORT + ATTEMPTS, self.table().first_ephemeral))
        for port in random.sample(below, ATTEMPTS):
            if port not in exclude and not self.table().is_taken(host, port):
                return port
        raise EngineError(f"no free port was found on {self.machine}", hint="set server.rest_port and server.grpc_port")

    def holder(self, port: int) -> PortHolder:
        """Return that a process listens on the port: the kernel's table does not name it."""
        return PortHolder(f"a process of {self.machine}" if self.table().is_taken("", port) else "another process")

    def count_listeners(self, port: int) -> int:
        return sum(listened == port for _, listened in self.table(fresh=True).listening)

    def first_unprivileged(self) -> int:
        """Return the first port that needs no privilege."""
        return self.table().first_unprivileged


def _listening(lines: list[str]) -> Iterator[tuple[str, int]]:
    for line in lines:
        words = line.split()
        if len(words) > 3 and words[3] == LISTEN:
            address, _, port = words[1].partition(":")
            yield _address(address), int(port, 16)


def _address(text: str) -> str:
    """Return an address of the kernel's table: 32-bit words in the byte order of the machine, little-endian."""
    words = bytes.fromhex(text)
    ordered = b"".join(words[start : start + 4][::-1] for start in range(0, len(words), 4))
    address = ipaddress.ip_address(ordered)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)

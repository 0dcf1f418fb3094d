"""The platform of the in-memory engine: its servers by deployment, and what a test lets go wrong on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from grpc import ServicerContext

from deployer.results.deployment import Deployment, Memory
from support.fake_server import Asked, FakeServer, fake_server
from support.memory.server import Faults, ModelServer

Key = tuple[str, str, str]
"""(project, name, env)."""


@dataclass
class Address:
    """Two ports on loopback, and the server that answers there: another takes its place at once."""

    server: ModelServer
    rest_port: int = 0
    grpc_port: int = 0
    _stack: ExitStack = field(default_factory=ExitStack)

    def open(self) -> Address:
        """Listen."""
        listener: FakeServer = self._stack.enter_context(
            fake_server(rest_port=self.rest_port, grpc_port=self.grpc_port)
        )
        listener.rest, listener.call = self._rest, self._call
        self.rest_port, self.grpc_port = (
            int(each.rpartition(":")[2]) for each in (listener.endpoints.rest, listener.endpoints.grpc)
        )
        return self

    def _rest(self, asked: Asked) -> tuple[int, bytes]:
        return self.server.rest(asked)

    def _call(self, method: str, message: bytes, context: ServicerContext) -> bytes:
        return self.server.call(method, message, context)

    def close(self) -> None:
        """Close both ports."""
        self._stack.close()


@dataclass
class Running:
    """A server as it is observed, what it runs, and where it answers. One that ended has no address."""

    seen: Deployment
    server: ModelServer
    address: Address | None
    accepted: bool = True
    """Whether it is more than what a killed promotion has left at the public address."""

    def end(self) -> None:
        """As if its process had been killed."""
        if self.address is not None:
            self.address.close()
        self.address = None


@dataclass
class Platform:
    """`on` are called when the engine does that; what they raise is what the engine meets."""

    servers: dict[Key, list[Running]] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    memory: Memory | None = field(default_factory=lambda: Memory(used=100 * 2**20, free=8 * 2**30))
    seamless: bool = True
    revives: bool = False
    on: dict[str, Callable[[], None]] = field(default_factory=dict)
    done: Counter[str] = field(default_factory=Counter)

    def does(self, what: str) -> None:
        """Note what the engine is about to do, and let it fail where the test wants that."""
        self.done[what] += 1
        self.on.get(what, lambda: None)()

    def all(self) -> list[Running]:
        """Every server of every project."""
        return [running for found in self.servers.values() for running in found]

    def close(self) -> None:
        """End them all."""
        for running in self.all():
            running.end()


_PLATFORMS: dict[tuple[Path, str], Platform] = {}


def platform_of(state_dir: Path, address: str = "") -> Platform:
    """The platform of a state directory at an address: engines of that directory and address share it."""
    key = _resolved(state_dir.absolute()), address
    if key not in _PLATFORMS:
        _PLATFORMS[key] = Platform()
    return _PLATFORMS[key]


@cache
def _resolved(directory: Path) -> Path:
    """Of an absolute path once: engines ask for their platform at every step."""
    return directory.resolve()

"""Whether a change fits into memory: a candidate next to the running server, two versions in one server."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from deployer.engines.base import Engine
from deployer.results.deployment import Deployment, Memory
from deployer.results.model import Model
from deployer.results.plan import Change

FULL = 0.95


@dataclass(frozen=True)
class MemoryReading:
    """The memory of the server that a change starts from, measured once: Docker takes up to a second for it."""

    engine: Engine
    observed: Deployment | None

    @cached_property
    def memory(self) -> Memory | None:
        """The memory, measured when it is first asked for; None if unknown."""
        return None if self.observed is None else self.engine.memory(self.observed)


def insufficient_memory(
    memory: Memory, change: Change, observed: Deployment, models: Iterable[Model], *, with_candidate: bool = True
) -> str:
    """Return why a change does not fit into memory; empty if it does.

    A candidate is taken to need what the server uses now, plus the size of the versions that are new to it.
    """
    new = _new_bytes(observed, models)
    needed = memory.used + new
    if with_candidate and memory.free is not None and needed > memory.free:
        return (
            f"a candidate needs about {_mebibytes(needed)} in addition to the server, which uses "
            f"{_mebibytes(memory.used)}; {_mebibytes(memory.free)} are free"
        )
    if change is Change.RELOAD and memory.limit is not None and needed > memory.limit:
        return (
            f"the server uses {_mebibytes(memory.used)} of the {_mebibytes(memory.limit)} that it may use, and needs "
            f"about {_mebibytes(new)} more while old and new versions are both loaded"
        )
    return ""


def fits_three(memory: Memory, observed: Deployment, models: Iterable[Model]) -> bool:
    """Return whether the server can load the new versions while a candidate still has them loaded."""
    return memory.free is not None and memory.used + 2 * _new_bytes(observed, models) <= memory.free


def exhaustion(memory: Memory) -> str:
    """Return a diagnosis for a server that is slow to start and has filled its memory; empty otherwise.

    A limit that is slightly too small does not end the server: code and models are read from disk again and again.
    """
    if memory.limit is None or memory.used + memory.cached < FULL * memory.limit:
        return ""
    return f"it uses all of the {_mebibytes(memory.limit)} that it may use, and is probably slow for that reason"


def _new_bytes(observed: Deployment, models: Iterable[Model]) -> int:
    loaded = {(model.name, version) for model in observed.models for version in model.versions}
    return sum(model.info.size_bytes for model in models if (model.name, model.version) not in loaded)


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"

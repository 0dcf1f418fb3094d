"""Whether there is memory for two: a candidate beside what serves, two versions of a model in one server. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from deployer.results.deployment import Deployment, Memory
from deployer.results.model import Model
from deployer.results.plan import Change

FULL = 0.95


def insufficient_memory(
    memory: Memory, change: Change, observed: Deployment, models: Iterable[Model], *, apart: bool = True
) -> str:
    """Why a change would not fit, or nothing. `apart` tells whether a candidate is started beside what serves.

    A candidate is taken to need what the server needs now, and the size of the versions that are new to it.
    """
    more = _new_bytes(observed, models)
    needed = memory.used + more
    if apart and memory.free is not None and needed > memory.free:
        return (
            f"a candidate needs about {_text(needed)} beside the server, which uses {_text(memory.used)}; "
            f"{_text(memory.free)} are free"
        )
    if change is Change.RELOAD and memory.limit is not None and needed > memory.limit:
        return (
            f"the server uses {_text(memory.used)} of the {_text(memory.limit)} that it may use, and needs about "
            f"{_text(more)} more while old and new versions are both loaded"
        )
    return ""


def fits_three(memory: Memory, observed: Deployment, models: Iterable[Model]) -> bool:
    """Whether what is free lets the server load the new versions while a candidate has them loaded too."""
    return memory.free is not None and memory.used + 2 * _new_bytes(observed, models) <= memory.free


def exhaustion(memory: Memory) -> str:
    """What to think of the memory of a server that is slow to come up, or nothing.

    A limit that is just too small kills nobody: code and models are read from the disk again and again.
    """
    if memory.limit is None or memory.used + memory.cached < FULL * memory.limit:
        return ""
    return f"it fills the {_text(memory.limit)} that it may use, and is slow most likely for want of memory"


def _new_bytes(observed: Deployment, models: Iterable[Model]) -> int:
    there = {(model.name, version) for model in observed.models for version in model.versions}
    return sum(model.info.size_bytes for model in models if (model.name, model.version) not in there)


def _text(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"

"""The engines, by name. A new engine is one file, one entry here, and one row in the contract suite."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from deployer.engines.base import Engine
from deployer.errors import EngineUnavailable

DOCKER_SOCKET = Path("/var/run/docker.sock")


def _embedded(state_dir: Path) -> Engine:
    from deployer.engines.embedded import EmbeddedEngine

    return EmbeddedEngine(state_dir)


ENGINES: dict[str, Callable[[Path], Engine]] = {"embedded": _embedded}


def choose(name: str, state_dir: Path) -> tuple[Engine, str | None]:
    """The engine of that name, and a note where `auto` had to choose. Raises EngineUnavailable."""
    if name == "auto":
        note = (
            "a Docker Engine is here, but this release drives only the embedded engine"
            if DOCKER_SOCKET.exists()
            else None
        )
        return ENGINES["embedded"](state_dir), note
    if name in ENGINES:
        return ENGINES[name](state_dir), None
    raise EngineUnavailable(
        f"this release cannot drive the {name} engine yet", hint="use --engine embedded: it needs nothing but Python"
    )

"""Serves a project's models on each engine at hand: the embedded one, and Docker where DEPLOYER_TEST_IMAGE is set.

Tests that use it share that Docker Engine with tests/docker: tests/run.sh keeps them all in one half.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.cli import deployer
from support.containers import PROJECT

IMAGE = os.environ.get("DEPLOYER_TEST_IMAGE", "")
ENGINES = ("embedded", "docker") if IMAGE else ("embedded",)


@dataclass(frozen=True)
class Served:
    """A project, and where the server of one engine answers for its models."""

    directory: Path
    engine: str
    endpoints: dict[str, str]


def write_spec(directory: Path, models: Iterable[str], more: str = "") -> None:
    """A deployer.toml with these models of the store, on any ports."""
    tables = "".join(f"[models.{name}]\n" for name in models)
    (directory / "deployer.toml").write_text(f'name = "kinds"\n[server]\nrest_port = 0\ngrpc_port = 0\n{more}{tables}')


@contextmanager
def served(directory: Path, engine: str) -> Iterator[Served]:
    """What the directory's deployer.toml says, up while the context lasts."""
    for each in (directory, *list(directory.parents)[:2]):
        each.chmod(0o755)  # containers run as nobody
    settings = {"DEPLOYER_ENGINE": engine, "DEPLOYER_PROJECT": PROJECT}
    settings |= {"DEPLOYER_DOCKER_IMAGE": IMAGE} if engine == "docker" else {}
    ended = deployer("up", "--json", cwd=directory, **settings)
    assert ended.code == 0, ended.err
    try:
        yield Served(directory, engine, ended.json["endpoints"])
    finally:
        assert deployer("down", cwd=directory, **settings).code == 0

"""A gateway's container that ends while it is being stopped. The rest of the room is tested with real ones."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest

from deployer.engines.docker.gateway.containers import GatewayContainers
from deployer.engines.docker.gateway.directory import GatewayDir
from deployer.engines.docker.machine import LocalMachine
from deployer.errors import EngineError

ENDING = "Cannot update container 1: runc did not terminate successfully: exit status 1: container not running"


class Container:
    """Refuses to be changed so many times, in the engine's words."""

    def __init__(self, refusals: int, words: str) -> None:
        self.refusals, self.words = refusals, words
        self.done: list[Any] = []

    def update(self, **settings: Any) -> None:
        if self.refusals:
            self.refusals -= 1
            raise docker.errors.APIError("500", explanation=self.words)
        self.done.append(settings)

    def kill(self, signal: str) -> None:
        self.done.append(signal)


def stopped(container: Container, directory: Path) -> list[Any]:
    client = SimpleNamespace(containers=SimpleNamespace(get=lambda _: container))
    state: Any = SimpleNamespace(client=client, machine=LocalMachine())
    wanted: Any = None
    found: Any = SimpleNamespace(id="1", generation="1", lost=False)
    GatewayContainers(state, wanted, "m", "local", GatewayDir(directory), "no").stop_accepting(found)
    return container.done


def test_one_that_ends_at_this_very_moment_is_kept_from_coming_back_a_moment_later(tmp_path):
    assert stopped(Container(2, ENDING), tmp_path) == [{"restart_policy": {"Name": "no"}}, "SIGUSR1"]


def test_one_that_cannot_be_changed_for_another_reason_is_an_error(tmp_path):
    with pytest.raises(EngineError, match="no space left"):
        stopped(Container(1, "no space left on device"), tmp_path)

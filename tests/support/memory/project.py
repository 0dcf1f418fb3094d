"""A project whose deployments run on the in-memory engine: how tests deploy there, and what they see afterwards."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import deployer
from deployer.client.client import Client
from deployer.client.encoding import ModelTarget
from deployer.results.changes import UpResult
from deployer.results.deployment import Deployment
from deployer.results.history import Outcome, Release
from deployer.results.model import Model, TensorSpec
from deployer.results.served import ServedModel
from deployer.store.store import Store
from support.memory.engine import MemoryEngine
from support.memory.linear import SIGNATURE, Linear, publish
from support.memory.platform import Platform, platform_of

NAME = "m"
PROJECT = "unit"
VERSIONS = {1: Linear(0.5, 2.0), 2: Linear(0.5, 3.0), 3: Linear(1.0, 0.0)}
ANSWERS = {1: 3.0, 2: 4.0, 3: 2.0}
"""What each version makes of 2.0."""


@dataclass(frozen=True)
class Project:
    """Directories of a test's own, with three versions of the model `m` in the store."""

    directory: Path

    @property
    def store(self) -> Store:
        return Store(self.directory / "models")

    @property
    def state_dir(self) -> Path:
        return self.directory / ".deployer"

    @property
    def platform(self) -> Platform:
        return platform_of(self.state_dir)

    @property
    def engine(self) -> MemoryEngine:
        return MemoryEngine(self.state_dir, PROJECT)

    def engine_at(self, address: str) -> MemoryEngine:
        return MemoryEngine(self.state_dir, PROJECT, address=address)

    def settings(self, **more: Any) -> deployer.Settings:
        """Any ports, and deadlines that a broken server reaches soon."""
        chosen = {"project": PROJECT, "rest_port": 0, "grpc_port": 0, "timeout": 5.0, **more}
        return deployer.Settings(models_dir=self.store.root, state_dir=self.state_dir, **chosen)

    def publish(self, version: int | None = None, name: str = NAME, linear: Linear | None = None, **more: Any) -> Model:
        """A version of the store."""
        return publish(self.store, name, linear or VERSIONS[version or 1], version, **more)

    def up(self, target: str | None = f"{NAME}:1", *, dry_run: bool = False, **settings: Any) -> UpResult:
        return deployer.up(target, settings=self.settings(**settings), dry_run=dry_run)

    def redeploy(
        self, version: int | None = None, *, dry_run: bool = False, keep: bool = False, **settings: Any
    ) -> UpResult:
        return deployer.redeploy(
            NAME, version=version, keep_previous=keep, dry_run=dry_run, settings=self.settings(**settings)
        )

    def rollback(self, to: int | None = None, *, dry_run: bool = False, **settings: Any) -> UpResult:
        return deployer.rollback(NAME, to=to, dry_run=dry_run, settings=self.settings(**settings))

    def label(self, **labels: int | None) -> UpResult:
        return deployer.label(NAME, dict(labels), settings=self.settings())

    def observed(self) -> Deployment:
        """What serves, as the engine sees it."""
        found = self.engine.observe(NAME, "local")
        assert found is not None
        return found

    def end_servers(self) -> None:
        """End every server, as a crash does."""
        for running in tuple(self.platform.all()):
            running.end()

    def lose_container(self) -> None:
        """End every server and remove each trace of it from the engine, as `docker rm --force` does."""
        self.end_servers()
        self.platform.servers.clear()

    def served(self) -> ServedModel:
        """The only model of the deployment."""
        (model,) = self.observed().models
        return model

    def answer(self, version: int | None = None) -> float:
        """What the server makes of 2.0; both APIs must say the same."""
        question, inputs = ModelTarget(NAME, version, SIGNATURE), {"x": np.float32([2.0])}
        with closing(Client(self.observed().endpoints, 10.0)) as client:
            rest = client.predict_rest(question, inputs, (TensorSpec("y", "float32", (None,)),))["y"]
            assert rest.tolist() == client.predict_grpc(question, inputs)[1]["y"].tolist()
        return float(rest[0])

    def history(self) -> tuple[Release, ...]:
        """The newest first."""
        return deployer.history(NAME, settings=self.settings()).releases

    def outcomes(self) -> list[str]:
        return [release.outcome.value for release in self.history()]

    def check(self, *versions: int, labels: dict[str, int] | None = None) -> None:
        """Just these versions serve, proven; nothing else is left on the engine, and nothing is under way."""
        assert (self.served().versions, dict(self.served().labels)) == (versions, labels or {})
        assert self.answer() == ANSWERS[versions[-1]]
        assert [each.seen.release for each in self.platform.all()] == [self.observed().release]
        assert self.observed().reloading_to is None
        assert all(release.outcome is not Outcome.UNDER_WAY for release in self.history())

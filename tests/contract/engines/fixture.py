"""An engine in a project of its own, and the short ways in which the tests deploy with it and ask what it serves."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
from contract.engines.rows import Row
from support.world import MODELS

from deployer.client import availability
from deployer.client.client import Client
from deployer.client.encoding import ModelTarget
from deployer.config import render
from deployer.config.spec import Spec
from deployer.engines.base import Engine
from deployer.engines.docker.engine import DockerEngine
from deployer.results.deployment import Deployment
from deployer.results.launch import Launch
from deployer.results.model import Model, TensorSpec
from deployer.results.served import ServedModel
from deployer.store import manifest
from deployer.system.wait import Deadline, Observation, Readiness, wait_until_ready

MODEL = "half_plus_two"
NAME, ENV = "contract", "local"
PROJECT = f"contract-{os.getpid()}"
ANSWERS = {1: 3.0, 2: 4.0, 3: 2.0}
"""What each version of the model makes of 2.0."""
PATIENCE = 120.0


def served(*versions: int, **labels: int) -> ServedModel:
    return ServedModel(MODEL, versions, tuple(sorted(labels.items())), tuple(f"digest{number}" for number in versions))


@dataclass(frozen=True)
class EngineFixture:
    """One engine with a state directory of its own."""

    row: Row
    state_dir: Path
    project: str = PROJECT
    name: str = NAME

    @cached_property
    def spec(self) -> Spec:
        return Spec(
            project=self.project or None,
            name=self.name,
            state_dir=self.state_dir,
            models_dir=MODELS,
            **self.row.settings(),
        )

    @cached_property
    def engine(self) -> Engine:
        made: Any = self.row.make(self.spec)
        if isinstance(made, DockerEngine):
            return replace(made, host=replace(made.host, project=self.project))
        if made.traits.project == self.project:
            return made
        return replace(made, project=self.project)

    @property
    def litter(self) -> list[str]:
        """What is left on the platform."""
        return self.row.litter(self.spec)

    def launch(self, *models: ServedModel, **changes: Any) -> Launch:
        """On any ports, with what the engine needs to find the models."""
        root = self.engine.traits.models_root(self.spec.models_dir)
        rendered = render.render(models, root)
        made = Launch(
            self.name, ENV, "127.0.0.1", 0, 0, (), models, root, rendered, self.engine.traits.fingerprint,
            in_image=self.engine.traits.in_image,
        )  # fmt: skip
        return replace(made, **changes)

    def ready_to_stage(self, *models: ServedModel, **changes: Any) -> tuple[Engine, Launch]:
        """A launch whose models are where its servers read them, with the engine that starts these."""
        launch = self.launch(*models, **changes)
        engine = self.row.with_models(self.engine, launch)
        engine.copies.send([stored(version) for model in models for version in model.versions], print)
        return engine, replace(launch, traits=engine.traits.fingerprint)

    def start(self, *models: ServedModel, **changes: Any) -> Deployment:
        """A candidate that has just been started."""
        engine, launch = self.ready_to_stage(*models, **changes)
        return engine.stage(launch)

    def stage(self, *models: ServedModel, **changes: Any) -> Deployment:
        """A candidate that is ready."""
        candidate = self.start(*models, **changes)
        self.wait(candidate)
        return candidate

    def serve(self, *models: ServedModel, **changes: Any) -> Deployment:
        """A deployment that serves."""
        deployment = self.engine.promote(self.stage(*models, **changes), 30.0, self.wait)
        self.wait(deployment)
        return deployment

    def wait(self, deployment: Deployment) -> None:
        """Until all its versions are available; its log tells why they are not."""
        with closing(client_of(deployment)) as client:
            wait_until_ready(lambda: self._look(client, deployment), Deadline.after(PATIENCE), "the server")

    def _look(self, client: Client, deployment: Deployment) -> Observation:
        seen = availability.readiness(client, deployment.models)
        if seen.readiness is Readiness.READY or self.engine.exit_reason(deployment) is None:
            return seen
        return Observation(Readiness.FAILED, "\n".join(line.text for line in self.engine.logs(deployment, 20)))

    def reload(self, deployment: Deployment, *models: ServedModel) -> None:
        """The server takes up other models, as `up` makes it do."""
        rendered = self.ready_to_stage(*models)[1].rendered
        self.engine.write_config(deployment, rendered, models)
        with closing(client_of(deployment)) as client:
            client.reload(rendered.files[render.MODEL_CONFIG])
        self.wait(replace(deployment, models=models))

    def listens(self, deployment: Deployment) -> bool:
        """Whether somebody listens at an address of a server."""
        places = (address.rpartition("/")[2].split(":") for address in addresses(deployment))
        return any(self.row.listens(int(port), host) for host, port in places)


@cache
def stored(version: int) -> Model:
    """A version of the model, as the store has it."""
    return manifest.read(MODEL, version, MODELS / MODEL / str(version))


def client_of(deployment: Deployment) -> Client:
    endpoints, gateway = deployment.client_route
    return Client(endpoints, 10.0, gateway)


def answer(deployment: Deployment, version: int | None = None) -> float:
    """What it makes of 2.0; both apis must say the same."""
    question = ModelTarget(MODEL, version, "serving_default")
    inputs = {"x": np.float32([2.0])}
    with closing(client_of(deployment)) as client:
        rest = client.predict_rest(question, inputs, (TensorSpec("y", "float32", (None,)),))["y"]
        grpc = client.predict_grpc(question, inputs)[1]["y"]
    assert rest.tolist() == grpc.tolist()
    return float(rest[0])


def addresses(deployment: Deployment) -> list[str]:
    """Those at which it answers."""
    return [deployment.endpoints.rest, deployment.endpoints.grpc]


def ports(deployment: Deployment) -> list[int]:
    """Those at which it answers."""
    return [int(address.rpartition(":")[2]) for address in addresses(deployment)]

"""One deployment on the Swarm of the cluster, changed through its engine. Its servers answer at once, with a version.

An engine never asks its servers anything: any image does that has a health check.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from deployer.config.spec import Docker, Gateway, Spec
from deployer.config.swarm import Swarm
from deployer.engines import swarm_engine
from deployer.engines.swarm.engine import SwarmEngine
from deployer.results.deployment import Deployment
from deployer.results.launch import Launch, Rendered
from deployer.results.served import ServedModel
from support import cluster as clusters
from support.cluster import Cluster, Node
from support.containers import build, docker
from support.world import eventually, listens

PROJECT = f"swarm-{os.getpid()}"
NAME, ENV = "stub", "local"
ANSWERING = r"""
FROM {image}
USER root
ENV VERSION={version}
RUN printf '%s\n' 'defaults' ' mode http' ' timeout client 9s' 'frontend stub' ' bind :8501' \
    ' http-request return status 200 content-type text/plain lf-string "%[env(VERSION)] %[env(TOKEN)]"' >/stub.cfg
HEALTHCHECK CMD bash -c 'exec 3<>/dev/tcp/127.0.0.1/8501'
ENTRYPOINT ["sh", "-c", "echo version {version} starts; exec haproxy -db -f /stub.cfg"]
"""
ENDING = r"""
FROM {image}
USER root
HEALTHCHECK CMD true
ENTRYPOINT ["sh", "-c", "echo going down; sleep {seconds}; exit 3"]
"""


def answering(gateway_image: str, version: int) -> str:
    """The image of servers that answer."""
    return build(f"deployer-testbed/answers-{version}", ANSWERING.format(image=gateway_image, version=version))


def ending(gateway_image: str, seconds: int) -> str:
    """The image of servers that end by themselves."""
    return build(f"deployer-testbed/ends-{seconds}", ENDING.format(image=gateway_image, seconds=seconds))


def images_on_nodes(cluster: Cluster, gateway_image: str) -> dict[str, str]:
    """The ids of images that each node has: `one` and `two` answer, `ends` ends after some seconds, `fails` at once."""
    names = {
        "one": answering(gateway_image, 1),
        "two": answering(gateway_image, 2),
        "ends": ending(gateway_image, 3),
        "fails": ending(gateway_image, 0),
    }
    ids = on_nodes(cluster, *names.values())
    return {key: ids[name] for key, name in names.items()}


def on_nodes(cluster: Cluster, *images: str) -> dict[str, str]:
    """The ids of images, by name, which each node then has: no registry is needed."""
    loaded = clusters.run("load", *images, name=cluster.name)
    assert loaded.returncode == 0, loaded.stderr
    return {image: docker("image", "inspect", "--format", "{{.Id}}", image) for image in images}


@dataclass(frozen=True)
class Site:
    """A deployment of its own on the Swarm, from a directory. `host` is the engine's address."""

    directory: Path
    host: str
    gateway_image: str
    node: Node
    swarm: Swarm = field(default_factory=lambda: Swarm(drain_seconds=1, monitor_seconds=1))
    name: str = NAME
    project: str = PROJECT

    def engine(
        self,
        image: str,
        *,
        host: str = "",
        swarm: Swarm | None = None,
        gateway_settings: Mapping[str, Any] | None = None,
        **docker_settings: Any,
    ) -> SwarmEngine:
        """The engine that starts servers of an image."""
        gateway = {"enabled": True, "image": self.gateway_image, **(gateway_settings or {})}
        if tokens := gateway.get("tokens"):
            gateway["tokens"] = Path(tokens)
        spec = Spec(
            project=self.project, name=self.name, state_dir=self.directory / ".deployer",
            models_dir=self.directory / "models", swarm=swarm or self.swarm,
            docker=Docker(host=host or self.host, image=image, **docker_settings),
            gateway=Gateway(**gateway),
        )  # fmt: skip
        return swarm_engine(spec, store_dir=spec.models_dir)

    def launch(self, engine: SwarmEngine, *, replicas: int | None = None, **changes: Any) -> Launch:
        models = (ServedModel("stub", (1,), (), ("d",)),)
        made = Launch(
            self.name, ENV, "0.0.0.0", 0, 0, (), models, "/models", Rendered({}), engine.traits.fingerprint,
            in_image=True, replicas=replicas,
        )  # fmt: skip
        return dataclasses.replace(made, **changes)

    def deploy(
        self, engine: SwarmEngine, accept: Callable[[Deployment], None] = lambda _: None, **changes: Any
    ) -> Deployment:
        """A release, from its candidate to its acceptance."""
        with engine.locks.acquire(self.name, ENV, 0.0):
            engine.recover(self.name, ENV)
            return engine.promote(engine.stage(self.launch(engine, **changes)), 15.0, accept)

    def recover(self, engine: SwarmEngine) -> tuple[str, ...]:
        with engine.locks.acquire(self.name, ENV, 30.0):
            return engine.recover(self.name, ENV)

    def remove(self, engine: SwarmEngine) -> None:
        with engine.locks.acquire(self.name, ENV, 30.0):
            engine.remove(self.name, ENV)

    def left(self) -> list[str]:
        """All that the project has on the Swarm."""
        found = []
        for kind in ("service", "network", "secret", "config"):
            listed = self.node.docker(
                kind, "ls", "--format", "{{.Name}}", "--filter", f"label=deployer.project={self.project}"
            )
            locks = ("--filter", f"label=deployer.lock.project={self.project}")
            listed += f"\n{self.node.docker(kind, 'ls', '--format', '{{.Name}}', *locks)}"
            found += [f"{kind} {name}" for name in listed.split()]
        return found

    def service(self, role: str = "") -> dict[str, Any]:
        """The service with a role, as Docker describes it."""
        name = f"{self.engine('x:1').host.state.name(self.name, ENV)}{f'-{role}' if role else ''}"
        return json.loads(self.node.docker("service", "inspect", name))[0]

    def clear(self) -> None:
        """Remove everything; a network goes with the last task of a node."""
        engine = self.engine("x:1")
        for name, env in engine.inventory.names():
            with engine.locks.acquire(name, env, 60.0):
                engine.remove(name, env)
        eventually(lambda: self.left() == [], "nothing is left", 120)


def ask(url: str) -> str:
    """What a server answers."""
    return requests.get(f"{url}/v1/models/stub", timeout=60).text.strip()


def serves(engine: SwarmEngine, deployment: Deployment) -> bool:
    """Whether a deployment is as it was; its servers may be on other nodes, and as many."""
    found = engine.observe(NAME, ENV)
    return (
        found is not None
        and found.running_replicas == deployment.running_replicas
        and dataclasses.replace(found, nodes=deployment.nodes) == deployment
    )


def answers(deployment: Deployment, number: int = 6) -> set[str]:
    """What the servers behind each gateway answer. One that has just started may not listen yet."""
    places = [node.endpoints.rest for node in deployment.nodes if node.endpoints]
    for place in places:
        eventually(lambda place=place: _listens(place), f"{place} listens")
    return {ask(place) for place in places for _ in range(number)}


def _listens(place: str) -> bool:
    host, _, port = place.rpartition("/")[2].partition(":")
    return listens(int(port), host)

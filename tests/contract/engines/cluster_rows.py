"""The engines of other machines: rows on the cluster of tests/support/cluster.py, an engine by SSH and a Swarm.

A server takes several seconds there. So these rows run the tests of what differs: where a server's files are, who holds
its ports, how requests reach it, and what is left; by SSH also one change. The rest is code that the docker row runs,
or that tests/docker runs with servers that answer at once (test_remote.py, test_swarm_*.py).
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from typing import Any

from contract.engines.rows import DOCKER_IMAGE, ROWS, Row, before_the_container, containers, kill_container
from support import cluster as clusters
from support.cluster import Cluster, Node
from support.containers import gateway_image
from support.world import MODELS, eventually, free_port, listens

from deployer.config.gateway import Gateway
from deployer.config.spec import Docker, Spec
from deployer.config.swarm import Swarm
from deployer.engines import ENGINES, docker_engine
from deployer.engines.base import Engine
from deployer.engines.swarm import secrets
from deployer.engines.swarm.engine import SwarmEngine
from deployer.results.deployment import LOOPBACK
from deployer.results.launch import Launch
from deployer.results.served import ServedModel
from deployer.store import manifest

REPOSITORY = f"contract-{os.getpid()}/models"
HOLD_PORT = """
import socket, sys
with socket.create_server((sys.argv[1], 0)) as listening:
    print(listening.getsockname()[1], flush=True)
    sys.stdin.read()
"""
SECONDS = 120
_built: dict[tuple[tuple[ServedModel, ...], tuple[tuple[str, str], ...]], str] = {}
"""The images by the models and flags inside."""


@cache
def cluster() -> Cluster:
    """Its addresses; whether it runs does not matter."""
    return clusters.read(clusters.NAME)


def by_ssh(*arguments: str) -> str:
    """What `docker ARGUMENTS` prints on the machine of the engine by SSH."""
    return cluster().nodes[1].docker(*arguments)


def on_manager(*arguments: str) -> str:
    """The same on the manager of the Swarm."""
    return cluster().nodes[0].docker(*arguments)


def _within(*command: str) -> list[str]:
    """The command, run in the network of the machine of the engine by SSH."""
    return ["nsenter", f"--net={cluster().nodes[1].netns}", *command]


def _listens_there(port: int, host: str) -> bool:
    return subprocess.run(_within("bash", "-c", f"exec 3<>/dev/tcp/{host}/{port}"), check=False, timeout=SECONDS,
                          stderr=subprocess.DEVNULL).returncode == 0  # fmt: skip


@contextmanager
def _take_port_there() -> Iterator[int]:
    holder = subprocess.Popen(
        _within(sys.executable, "-S", "-c", HOLD_PORT, LOOPBACK),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout is not None
    try:
        yield int(holder.stdout.readline())
    finally:
        holder.communicate(timeout=SECONDS)


def _left_by_ssh(spec: Spec) -> list[str]:
    volumes = by_ssh(
        "volume", "ls", "--format", "volume {{.Name}}", "--filter", f"label=deployer.project={spec.project}"
    )
    return [*containers(by_ssh, spec), *volumes.splitlines()]


DOCKER_SSH = Row(
    name="docker-ssh",
    engine="docker",
    make=ENGINES["docker"],
    kill=partial(kill_container, by_ssh),
    half_made={"before its container": partial(before_the_container, by_ssh)},
    litter=_left_by_ssh,
    settings=lambda: {"docker": Docker(host=cluster().ssh, image=DOCKER_IMAGE)},
    listens=_listens_there,
    take_port=_take_port_there,
    needs_cluster=True,
)


def _listens_on_a_node(port: int, host: str) -> bool:
    """Only nodes have addresses that mean something here: that of a candidate is one of an overlay network."""
    return host in {node.address for node in cluster().nodes} and listens(port, host)


@contextmanager
def _publish_port() -> Iterator[int]:
    """A port that another service publishes, whether it has tasks or not."""
    port, name = free_port(), f"holds-a-port-{os.getpid()}"
    published = f"published={port},target=1,mode=host"
    on_manager("service", "create", "--quiet", "--name", name, "--replicas", "0", "--endpoint-mode", "dnsrr",
               "--publish", published, DOCKER_IMAGE)  # fmt: skip
    try:
        yield port
    finally:
        on_manager("service", "rm", name)


def _before_its_service(spec: Spec, name: str, env: str) -> None:
    state = SWARM.make(spec).host.state  # type: ignore[attr-defined]
    state.ensure_network(name, env, None)
    secrets.create(state.api, state.project, name, env, "20260101-000000-000000001-abcd", {"TOKEN": "secret"})


def _on_swarm(spec: Spec, *kinds: str) -> list[str]:
    found = []
    for kind in kinds:
        for label in (f"deployer.project={spec.project}", f"deployer.lock.project={spec.project}"):
            listed = on_manager(kind, "ls", "--format", "{{.Name}}", "--filter", f"label={label}")
            found += [f"{kind} {name}" for name in listed.splitlines()]
    return found


def _left_on_swarm(spec: Spec) -> list[str]:
    """What is left; a network that was removed stays on a node until the last task there has ended."""
    found = [*_on_swarm(spec, "service", "secret", "config"), *(str(path) for path in spec.state_dir.rglob("*"))]
    if not found:
        eventually(lambda: not _on_swarm(spec, "network"), "the network is gone", SECONDS)
    return found


def _of_image(engine: Engine, launch: Launch) -> Engine:
    """The engine of the image with the models and flags of a launch, which is built and pushed once."""
    assert isinstance(engine, SwarmEngine)
    key = launch.models, launch.flags
    if key not in _built:
        _built[key] = _build(launch)
    host = engine.host.docker
    return engine.with_settings(replace(host.settings, image=_built[key]), host.gateway, ())


def _build(launch: Launch) -> str:
    """Have the manager build and push an image; its reference by digest."""
    settings = Docker(host=cluster().nodes[0].socket, image=DOCKER_IMAGE)
    images = docker_engine(Spec(docker=settings, models_dir=MODELS)).model_images
    versions = [(model.name, version) for model in launch.models for version in model.versions]
    stored = [manifest.read(name, version, MODELS / name / str(version)) for name, version in versions]
    image = images.assemble(launch, stored)
    loaded, repository = images.load(image, print), f"{cluster().registry}/{REPOSITORY}"
    tag = f"{repository}:{image.id.partition(':')[2][:12]}"
    images.name(loaded, tag)
    return f"{repository}@{images.push(tag, print)}"


def _swarm_settings() -> dict[str, Any]:
    return {
        "docker": Docker(host=cluster().nodes[0].socket, image=DOCKER_IMAGE),
        "gateway": Gateway(enabled=True, image=gateway_image()),
        "swarm": Swarm(drain_seconds=1, monitor_seconds=1),
    }


SWARM = Row(
    name="swarm",
    engine="swarm",
    make=ENGINES["swarm"],
    half_made={"before its service": _before_its_service},
    litter=_left_on_swarm,
    settings=_swarm_settings,
    listens=_listens_on_a_node,
    take_port=_publish_port,
    with_models=_of_image,
    needs_cluster=True,
)


def remove_images() -> None:
    """Remove the images that were built from each node: their names, since other test processes may have the same."""
    eventually(lambda: all(map(_without_images, cluster().nodes)), "the images are gone", SECONDS)


def _without_images(node: Node) -> bool:
    """Remove them from a node; whether none is left. A server that still drains keeps its own."""
    repository = f"{cluster().registry}/{REPOSITORY}"
    listed = node.docker("images", "--digests", "--format", "{{.Tag}} {{.Digest}}", repository).splitlines()
    for tag, digest in map(str.split, listed):
        with contextlib.suppress(AssertionError):
            node.docker("rmi", f"{repository}:{tag}" if tag != "<none>" else f"{repository}@{digest}")
    return not listed


CLUSTER_ROWS = (DOCKER_SSH, SWARM) if DOCKER_IMAGE and clusters.can_run() else ()
EVERY_ROW = (*ROWS, *CLUSTER_ROWS)

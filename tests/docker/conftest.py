"""A real Docker Engine and an image, which DEPLOYER_TEST_IMAGE names; without it nothing here is collected.

DEPLOYER_TEST_IMAGE=tensorflow/serving:2.20.0 make test
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import cluster as clusters
from support import containers
from support.cli import in_process
from support.cluster import Cluster
from support.containers import PROJECT, world
from support.gated import configure
from support.quick_server import quick_server
from support.stores import copy_store, shared_store
from support.swarm import healthy_soon
from support.swarm_site import Site, images_on_nodes

IMAGE = os.environ.get("DEPLOYER_TEST_IMAGE", "")
collect_ignore_glob = [] if IMAGE else ["test_*.py"]


@pytest.fixture(scope="session")
def server_image() -> str:
    """The image under test."""
    return IMAGE


@pytest.fixture(scope="session")
def gateway_image() -> str:
    """HAProxy."""
    return containers.gateway_image()


@pytest.fixture(scope="module", autouse=True)
def _servers_of_a_swarm_are_soon_healthy() -> Iterator[None]:
    """As with engines from 25.0, which know StartInterval: an older one first checks after the whole interval."""
    with healthy_soon():
        yield


@pytest.fixture(scope="session")
def cluster(server_image: str, gateway_image: str) -> Iterator[Cluster]:
    """Three engines, a registry and an SSH server, which all test processes share. Name what you make on them."""
    with clusters.shared([server_image, gateway_image]) as found:
        yield found


@pytest.fixture(scope="session")
def swarm_images(cluster: Cluster, gateway_image: str) -> dict[str, str]:
    """Those of servers on the Swarm; see `images_on_nodes`."""
    return images_on_nodes(cluster, gateway_image)


@pytest.fixture
def site(cluster: Cluster, gateway_image: str, tmp_path: Path) -> Iterator[Site]:
    """A deployment of the test's own on the Swarm, removed in the end."""
    node = cluster.nodes[0]
    made = Site(tmp_path, node.socket, gateway_image, node)
    yield made
    made.clear()


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once, by real exports; tests deploy copies of it."""
    return shared_store(tmp_path_factory)


@pytest.fixture
def docker_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The docker command line's `config.json`; its directory is on PATH, for credential helpers."""
    directory = tmp_path / "docker-config"
    directory.mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(directory))
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    return directory / "config.json"


@pytest.fixture
def project(tmp_path: Path, store: Path, server_image: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory with its own store, deploying to the Docker Engine; the engine is left as it was found."""
    for directory in (tmp_path, *list(tmp_path.parents)[:2]):
        directory.chmod(0o755)
    monkeypatch.setenv("DEPLOYER_ENGINE", "docker")
    monkeypatch.setenv("DEPLOYER_PROJECT", PROJECT)
    monkeypatch.setenv("DEPLOYER_DOCKER_IMAGE", server_image)
    before = world()
    yield copy_store(store, tmp_path)
    in_process("down", "--all", "-q", cwd=tmp_path)
    assert world() == before


@pytest.fixture
def quick(project: Path, gateway_image: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project with a server that answers at once, for what a command does whatever the server is."""
    monkeypatch.setenv("DEPLOYER_DOCKER_IMAGE", quick_server(gateway_image))
    monkeypatch.setenv("DEPLOYER_GATE_SKIP", "true")
    return project


@pytest.fixture
def gated(project: Path, gateway_image: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project with a gateway."""
    monkeypatch.setenv("DEPLOYER_GATEWAY_IMAGE", gateway_image)
    configure(project)
    return project

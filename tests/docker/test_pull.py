"""Images that the engine does not have: pulled from a real registry on this machine, or refused with the reason."""

from __future__ import annotations

import json
import os
import random
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cli import ANY_PORTS
from support.containers import LABEL, docker, inspect
from support.deploying import NAME, ask, deployer, refused, up
from support.quick_server import quick_server
from support.registry import PASSWORD, credential_helper, running, running_closed
from support.world import free_port, listens

PUSH_SECONDS = 600
"""The engine compresses all layers of an image, the first time: a minute for one with TensorFlow in it."""
KEPT = Path(os.environ.get("DEPLOYER_TESTBED_DIR", "/var/lib/deployer-testbed")) / "registry-data"
PORT = 5079
"""What is pushed again to the same address, where it is kept, is not compressed again."""
pytestmark = pytest.mark.timeout(2 * PUSH_SECONDS)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where registries keep images."""
    return KEPT if os.access(KEPT.parent, os.W_OK) else tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Iterator[str]:
    """One that is open to everybody."""
    with running(tmp_path_factory.mktemp("registry"), free_port() if listens(PORT) else PORT, data) as address:
        yield address


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory, data: Path, pushed: str) -> Iterator[str]:
    """The same images in a registry that asks for a password."""
    with running_closed(tmp_path_factory.mktemp("closed"), free_port(), data) as address:
        yield address


@pytest.fixture(scope="module")
def pushed(registry: str, gateway_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A small image with one more layer, in the registry and not in the engine."""
    directory, image = tmp_path_factory.mktemp("image"), f"{registry}/team/server:1"
    (directory / "layer").write_bytes(random.Random(7).randbytes(6_000_000))
    os.utime(directory / "layer", (0, 0))  # a layer is the same when its files' times are
    (directory / "Dockerfile").write_text(f"FROM {quick_server(gateway_image)}\nCOPY layer /layer\n")
    docker("build", "-q", "-t", image, str(directory))
    docker("push", "-q", image, seconds=PUSH_SECONDS)
    docker("rmi", image)
    yield image
    subprocess.run(["docker", "rmi", "-f", image], capture_output=True, timeout=60, check=False)


@pytest.fixture(autouse=True)
def _ungated(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small image has no golden answers."""
    monkeypatch.setenv("DEPLOYER_GATE_SKIP", "true")


def test_a_missing_image_is_pulled_and_its_digest_is_kept(project: Path, pushed: str, monkeypatch) -> None:
    monkeypatch.setenv("DEPLOYER_DOCKER_IMAGE", pushed)
    ended = deployer("up", "half_plus_two:1", *ANY_PORTS, "--json", cwd=project)
    assert ended.code == 0, ended.err
    assert f"pulling {pushed}" in ended.err
    assert re.search(rf"pulling {pushed}: \d+ %", ended.err)
    assert ask(ended.json["endpoints"], 2.0) == 3.0
    (digest,) = inspect_image(pushed)
    assert re.fullmatch(rf"{pushed.removesuffix(':1')}@sha256:[0-9a-f]{{64}}", digest)
    assert inspect(NAME)["Config"]["Labels"]["deployer.image_digest"] == digest
    (found,) = deployer("status", "--json", cwd=project).json["deployments"]
    assert found["deployment"]["image"] == digest
    again = deployer("up", "half_plus_two:1", *ANY_PORTS, cwd=project)
    assert again.out.startswith("half_plus_two is up to date")
    assert "pulling" not in again.err


def inspect_image(image: str) -> list[str]:
    return docker("image", "inspect", "--format", '{{join .RepoDigests " "}}', image).split()


def test_an_image_may_be_named_by_its_digest(project: Path, pushed: str, monkeypatch) -> None:
    docker("pull", "-q", pushed)
    (digest,) = inspect_image(pushed)
    docker("rmi", pushed)
    monkeypatch.setenv("DEPLOYER_DOCKER_IMAGE", digest)
    up(project, "half_plus_two:1", *ANY_PORTS)
    assert inspect(NAME)["Config"]["Labels"]["deployer.image_digest"] == digest
    assert deployer("down", cwd=project).code == 0
    docker("rmi", "-f", digest)


def test_an_image_without_a_registry_is_known_by_its_id(project: Path, gateway_image: str, monkeypatch) -> None:
    monkeypatch.setenv("DEPLOYER_DOCKER_IMAGE", quick_server(gateway_image))
    up(project, "half_plus_two:1", *ANY_PORTS)
    found = inspect(NAME)
    recorded = found["Config"]["Labels"]["deployer.image_digest"]
    assert recorded in (found["Image"], *inspect_image(found["Image"]))


@pytest.mark.parametrize("name", ["team/server:2", "team/none:1"])
def test_an_image_that_the_registry_does_not_have_is_reported(project, registry, pushed, monkeypatch, name) -> None:
    monkeypatch.setenv("DEPLOYER_DOCKER_IMAGE", f"{registry}/{name}")
    ended = deployer("up", "half_plus_two:1", *ANY_PORTS, cwd=project)
    refused(ended, 6, f"pulling {registry}/{name} from {registry} failed: ", "no such image or tag: check docker.image")
    assert docker("ps", "-a", "-q", "--filter", LABEL) == ""


def test_a_registry_that_is_not_there_is_reported(project, monkeypatch) -> None:
    host = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("DEPLOYER_DOCKER_IMAGE", f"{host}/team/server:1")
    ended = deployer("up", "half_plus_two:1", *ANY_PORTS, cwd=project)
    refused(ended, 6, f"from {host} failed: ", f"does not reach {host}")


def test_a_registry_that_does_not_answer_is_given_as_long_as_was_said(project, monkeypatch) -> None:
    """It takes the connection and is silent; the engine itself would wait much longer."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("DEPLOYER_DOCKER_IMAGE", f"{host}/team/server:1")
        monkeypatch.setenv("DEPLOYER_DOCKER_PULL_SECONDS", "0.5")
        ended = deployer("up", "half_plus_two:1", *ANY_PORTS, cwd=project)
    refused(ended, 6, f"from {host} took more than 0.5 s", "docker.pull_seconds")


def test_a_closed_registry_gets_what_the_helper_says(project, closed, docker_config, monkeypatch) -> None:
    docker_config.write_text(json.dumps({"credHelpers": {closed: "fake"}, "credsStore": "missing"}))
    credential_helper(docker_config, f"echo '{json.dumps({'Username': 'me', 'Secret': PASSWORD})}'")
    monkeypatch.setenv("DEPLOYER_DOCKER_IMAGE", f"{closed}/team/server:1")
    up(project, "half_plus_two:1", *ANY_PORTS)
    assert deployer("down", cwd=project).code == 0
    docker("rmi", f"{closed}/team/server:1")


@pytest.mark.parametrize(
    "case",
    [
        ({"credsStore": "missing"}, "", "docker-credential-missing"),
        ({"credsStore": "fake"}, "echo the keychain is locked >&2; exit 1", "the keychain is locked"),
        ({"credsStore": "fake"}, "echo nothing of use", "docker-credential-fake"),
        ([], "", "config.json"),
    ],
)
def test_a_closed_registry_and_settings_that_fail_are_reported(
    project, closed, docker_config, monkeypatch, case
) -> None:
    raw, script, says = case
    docker_config.write_text(json.dumps(raw))
    credential_helper(docker_config, script)
    monkeypatch.setenv("DEPLOYER_DOCKER_IMAGE", f"{closed}/team/server:1")
    ended = deployer("up", "half_plus_two:1", *ANY_PORTS, cwd=project)
    refused(ended, 6, f"from {closed} without credentials failed: ", says, str(docker_config), f"docker login {closed}")


@pytest.mark.parametrize("raw", [{"credsStore": "missing", "proxies": "x"}, []])
def test_an_open_registry_needs_no_settings_that_work(project, pushed, docker_config, monkeypatch, raw) -> None:
    docker_config.write_text(json.dumps(raw))
    subprocess.run(["docker", "rmi", "-f", pushed], capture_output=True, timeout=60, check=False)
    monkeypatch.setenv("DEPLOYER_DOCKER_IMAGE", pushed)
    up(project, "half_plus_two:1", *ANY_PORTS)
    assert deployer("status", cwd=project).code == 0
    assert deployer("down", cwd=project).code == 0

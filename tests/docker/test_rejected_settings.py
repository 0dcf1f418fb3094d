"""Images that are no model server's, and limits that no engine or no server can live with: each told by its cause."""

from __future__ import annotations

import hashlib
import io
import json
import os
import struct
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.cli import ANY_PORTS
from support.containers import LABEL, docker
from support.deploying import deployer, refused, up
from support.world import MODELS

MakeImage = Callable[..., str]
ENTRYPOINT = "/usr/bin/tf_serving_entrypoint.sh"
FOREIGN = {"x86_64": ("arm64", 0xB7), "aarch64": ("amd64", 0x3E)}
"""By this machine's processor: another one, and the number that ELF has for it."""


@pytest.fixture
def image(project: Path, server_image: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeImage]:
    """Makes the image that is deployed: the one under test with another ENTRYPOINT."""
    made = "deployer-test/other:1"

    def make(entrypoint: str) -> str:
        (project / "Dockerfile").write_text(f"FROM {server_image}\nENTRYPOINT {entrypoint}\n")
        docker("build", "-q", "-t", made, "-f", str(project / "Dockerfile"), str(project / "models"))
        monkeypatch.setenv("DEPLOYER_DOCKER_IMAGE", made)
        return made

    yield make
    subprocess.run(["docker", "rmi", "-f", made], capture_output=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [("deployer.invalid/none:1", 6, "deployer.invalid/none:1"), ("UPPER CASE", 3, "is not an image name")],
)
def test_an_image_that_does_not_exist_is_an_error(project, monkeypatch, name, code, says):
    monkeypatch.setenv("DEPLOYER_DOCKER_IMAGE", name)
    refused(deployer("up", "half_plus_two:1", *ANY_PORTS, cwd=project), code, says)


def test_an_image_that_ends_at_once_is_reported_with_exit_code_and_log(project, image):
    made = image('["bash", "-c", "echo wrong image; exit 3"]')
    ended = deployer("up", "half_plus_two:1", *ANY_PORTS, cwd=project)
    refused(ended, 7, "ended with exit code 3", "  | wrong image", f"{made}: its entrypoint ['bash'")


def test_an_image_whose_entrypoint_does_not_exist_is_reported(project, image):
    image('["/nowhere"]')
    ended = deployer("up", "half_plus_two:1", *ANY_PORTS, cwd=project)
    refused(ended, 7, "its entrypoint does not exist: the image is not a model server's")


def test_an_image_that_does_something_else_is_reported(project, image):
    """It runs, its ports stay closed, and its log is empty: only the image itself can say why."""
    made = image('["bash", "-c", "sleep 300"]')
    ended = deployer("up", "half_plus_two:1", *ANY_PORTS, "--timeout", "1", cwd=project)
    refused(ended, 7, f"{made}: its entrypoint ['bash', '-c', 'sleep 300'] is not TensorFlow Serving's")
    assert "its entrypoint ['bash'" in deployer("doctor", cwd=project).out


@pytest.fixture
def foreign(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, str]]:
    """An image for another processor, with an entrypoint that is a program of that one; its name and processor."""
    here = docker("info", "--format", "{{.Architecture}}")
    processor, machine = FOREIGN[here]
    made = "deployer-test/foreign:1"
    (project / "image.tar").write_bytes(_image(made, processor, _program(machine)))
    docker("load", "--input", str(project / "image.tar"))
    monkeypatch.setenv("DEPLOYER_DOCKER_IMAGE", made)
    yield made, processor
    docker("rmi", "-f", made)


def _image(name: str, processor: str, program: bytes) -> bytes:
    """As `docker save` writes one, of one layer with one file."""
    layer = _tar({ENTRYPOINT.lstrip("/"): program})
    layers = {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]}
    config = {"architecture": processor, "os": "linux", "config": {"Entrypoint": [ENTRYPOINT]}, "rootfs": layers}
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    documents = {"config.json": config, "manifest.json": manifest}
    return _tar({"layer.tar": layer, **{file: json.dumps(each).encode() for file, each in documents.items()}})


def _tar(files: dict[str, bytes]) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755
            archive.addfile(member, io.BytesIO(content))
    return written.getvalue()


def _program(machine: int) -> bytes:
    """Without an instruction: its header alone decides whether it is begun."""
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, 0x400000, 0x400000, 120, 120, 0x1000)
    header = struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, 0x400000, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    return b"\x7fELF\x02\x01\x01" + bytes(9) + header + load


def test_an_image_for_another_processor_is_reported(project, foreign):
    made, processor = foreign
    ended = deployer("up", "half_plus_two:1", *ANY_PORTS, cwd=project)
    assert ended.code in (6, 7)  # it cannot be started, or ends at once: the engine's choice
    assert f"the image is for {processor}, and the engine's machine is " in ended.err
    assert f"{made}: the image is for {processor}" in deployer("doctor", cwd=project).out
    assert docker("ps", "-a", "-q", "--filter", LABEL) == ""


@pytest.fixture
def image_by_id(project: Path, server_image: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The image under test by its id, which says nothing about GPUs."""
    monkeypatch.setenv("DEPLOYER_DOCKER_IMAGE", docker("image", "inspect", "--format", "{{.Id}}", server_image))


@pytest.mark.usefixtures("image_by_id")
@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("CPUS", "-1", (3, "cpus -1 must be above 0")),
        ("CPUS", "nan", (3, "cpus")),
        ("CPUS", "100000", (6, "docker.cpus is 100000, and the engine's machine has ")),
        ("MEMORY", "-1", (3, "is not a size")),
        ("MEMORY", "4m", (3, 'docker.memory = "6m"')),
        ("GPUS", "1", (6, "no GPU runtime")),
        ("GPUS", "-2", (3, "gpus -2")),
        ("USER", "nobody", (3, "is not of the form uid or uid:gid")),
        ("PLATFORM", "linux/s390x", (6, "hint: ")),
    ],
)
def test_a_setting_that_cannot_be_met_is_refused(project, monkeypatch, key, value, told):
    monkeypatch.setenv(f"DEPLOYER_DOCKER_{key}", value)
    refused(deployer("up", "half_plus_two:1", *ANY_PORTS, cwd=project), *told)
    monkeypatch.delenv(f"DEPLOYER_DOCKER_{key}")
    assert docker("ps", "-a", "-q", "--filter", LABEL) == ""


def test_a_memory_limit_that_is_too_small_is_named(project, monkeypatch):
    monkeypatch.setenv("DEPLOYER_DOCKER_MEMORY", "40m")
    ended = deployer("up", "half_plus_two:1", "--timeout", "30", *ANY_PORTS, cwd=project)
    refused(ended, 7, "out of memory", "docker.memory")


@pytest.mark.parametrize(
    ("closed", "remedy"),
    [
        ("models", "chmod a+rx {project}/models,"),
        ("models/half_plus_two", "chmod a+rx {project}/models/half_plus_two,"),
        ("models/half_plus_two/1/saved_model.pb", "chmod -R a+rX {project}/models/half_plus_two/1,"),
    ],
)
def test_a_directory_that_the_servers_user_may_not_read_is_reported_with_its_remedy(project, closed, remedy):
    (project / closed).chmod(0o600 if closed.endswith(".pb") else 0o750)
    ended = deployer("up", "half_plus_two:1", *ANY_PORTS, cwd=project)
    refused(ended, 6, f"may not read {project / closed}", remedy.format(project=project), "docker.user")
    assert docker("ps", "-a", "-q", "--filter", LABEL) == ""


def test_what_an_owner_alone_may_read_is_served_to_that_owner(project, monkeypatch):
    """What lets the server's user in is asked of a container, where modes alone say no."""
    monkeypatch.setenv("DEPLOYER_DOCKER_USER", "0:0")
    (project / "models").chmod(0o700)
    up(project, "half_plus_two:1", *ANY_PORTS)


def test_a_strict_umask_closes_nothing_to_server_and_gateway(project, gateway_image, monkeypatch):
    monkeypatch.setenv("DEPLOYER_GATEWAY_ENABLED", "true")
    monkeypatch.setenv("DEPLOYER_GATEWAY_IMAGE", gateway_image)
    before = os.umask(0o077)
    try:
        up(project, str(MODELS / "half_plus_two" / "1"), "--name", "half_plus_two", *ANY_PORTS)
    finally:
        os.umask(before)

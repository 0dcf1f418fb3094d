"""Images with the model inside: built the same each time, verified, and serving by themselves."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker as sdk
import pytest
import requests
from support import schemas
from support.cli import SECONDS, started_anew
from support.containers import LABEL, PROJECT, docker, remove_images, world
from support.deploying import deployer, refused
from support.quick_server import quick_server
from support.world import eventually

from deployer.engines.docker.model_image import loader

NAME = f"{PROJECT}/half_plus_two:1"
HALF = f"{PROJECT}/half_plus_two"
MODEL = """
import tensorflow as tf

class Triple(tf.Module):
    def __init__(self):
        self.factor = tf.Variable(3.0)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def __call__(self, x):
        return {"y": self.factor * x}

model = Triple()
"""
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(autouse=True)
def _no_images_stay() -> Iterator[None]:
    yield
    remove_images(PROJECT)


@pytest.fixture
def named(project: Path) -> Path:
    """The project, with a deployment that has a name of its own."""
    (project / "deployer.toml").write_text(f'name = "{PROJECT}"\n[models.half_plus_two]\nversions = [1]\n')
    return project


def images() -> list[str]:
    """The images of that deployment, with a name or without."""
    return docker("images", "--quiet", "--filter", f"label=deployer.contents.name={PROJECT}").split()


def build(project: Path, *arguments: str) -> dict[str, Any]:
    ended = deployer("image", "build", *arguments, "--json", "-q", cwd=project)
    assert ended.code == 0, ended.err + ended.out
    schemas.check("image build", ended.json)
    return ended.json


def config(image: str) -> dict[str, Any]:
    return json.loads(docker("image", "inspect", "--format", "{{json .Config}}", image))


@contextmanager
def running(image: str) -> Iterator[str]:
    """`docker run -p 8501:8501 IMAGE`, on a free port: the container."""
    container = docker("run", "--detach", "--init", "--publish", "127.0.0.1::8501", image)
    try:
        yield container
    finally:
        docker("rm", "--force", container)


def answer(container: str, model: str, value: float) -> float:
    host = docker("port", container, "8501/tcp").splitlines()[0]
    return requests.post(f"http://{host}/v1/models/{model}:predict", json={"instances": [value]}, timeout=60).json()[
        "predictions"
    ][0]


def health(container: str) -> str:
    return docker("inspect", "--format", "{{.State.Health.Status}}", container)


def test_an_image_serves_by_itself_what_was_verified(project: Path) -> None:
    before = world()
    built = build(project, "half_plus_two:1")
    assert world() == before
    assert not (project / ".deployer" / "docker").exists()
    assert (built["image"], built["created"], built["report"]["ok"]) == (NAME, True, True)
    assert built["id"] == docker("image", "inspect", "--format", "{{.Id}}", NAME)
    assert "half_plus_two:1" in {check["model"] for check in built["report"]["checks"]}
    found = config(NAME)
    assert found["User"] == "65534:65534"
    assert "--max_num_load_retries=0" in found["Cmd"]
    assert found["Labels"]["org.opencontainers.image.version"] == "1"
    (project / "models").rename(project / "gone")
    with running(NAME) as container:
        eventually(lambda: health(container) == "healthy", "the image's own health check passes")
        assert answer(container, "half_plus_two", 2.0) == 3.0
        files = docker("exec", container, "find", "/models", "-type", "f").split()
    assert any(file.endswith("assets.extra/golden.tfrecord") for file in files)


def test_the_same_inputs_from_two_stores_make_one_image(project: Path, tmp_path: Path) -> None:
    ids = []
    for directory in ("a", "b"):
        (tmp_path / directory).mkdir()
        (tmp_path / directory / "train.py").write_text(MODEL)
        exported = started_anew("export", "train.py:model", "--name", "triple", cwd=tmp_path / directory)
        assert exported.code == 0, exported.err
        ids.append(build(tmp_path / directory, "triple", "--skip-gate")["id"])
    assert ids[0] == ids[1]
    manifests = [(tmp_path / each / "models/triple/1/assets.extra/manifest.json").read_text() for each in "ab"]
    assert manifests[0] != manifests[1]


def test_an_image_is_built_again_from_the_same_layers(project: Path) -> None:
    first = build(project, "half_plus_two:1", "--skip-gate")
    docker("rmi", NAME)
    assert build(project, "half_plus_two:1", "--skip-gate") == first
    again = build(project, "half_plus_two:1", "--skip-gate")
    assert (again["created"], again["id"]) == (False, first["id"])
    other = build(project, "half_plus_two:1", "--skip-gate", "--user", "1000:1000")
    assert other["id"] != first["id"]


def test_an_engine_that_needs_every_layer_gets_the_same_image(
    project: Path, gateway_image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPLOYER_DOCKER_IMAGE", quick_server(gateway_image))
    first = build(project, "half_plus_two:1", "--skip-gate")
    docker("rmi", NAME)
    monkeypatch.setattr(loader.Loader, "_needs_all_layers", lambda _: True)
    assert build(project, "half_plus_two:1", "--skip-gate") == first


def test_a_rendered_dockerfile_describes_the_same_image(project: Path) -> None:
    build(project, "half_plus_two:1", "--skip-gate")
    ended = deployer("render", "dockerfile", "half_plus_two:1", "--out", "image", cwd=project)
    assert ended.code == 0, ended.err
    (project / "models").rename(project / "image" / "models")
    other = f"{PROJECT}/by_docker:1"
    command = ["docker", "build", "--quiet", "--tag", other, str(project / "image")]
    subprocess.run(command, env={"DOCKER_BUILDKIT": "0", "PATH": "/usr/bin:/bin"}, timeout=SECONDS, check=True)
    assert config(other) == config(NAME)
    mine, theirs = (
        docker("run", "--rm", "--entrypoint", "find", each, "/models", "/config", "-type", "f")
        for each in (NAME, other)
    )
    assert sorted(mine.split()) == sorted(theirs.split())


def test_several_models_with_labels_and_batching_are_one_image(project: Path) -> None:
    (project / "deployer.toml").write_text(
        'name = "fleet"\n[models.half_plus_two]\nversions = [1, 3]\nlabels = { stable = 1 }\n[models.text]\n'
        "[batching]\nmax_batch_size = 8\n[monitoring]\nenabled = true\n"
        "[server.flags]\nenable_model_warmup = true\n[image]\nrepository = "
        f'"{PROJECT}/all"\n'
    )
    built = build(project)
    assert built["image"].startswith(f"{PROJECT}/all:")
    assert [model["name"] for model in built["models"]] == ["half_plus_two", "text"]
    with running(built["image"]) as container:
        eventually(lambda: health(container) == "healthy", "every version is loaded")
        host = docker("port", container, "8501/tcp").splitlines()[0]
        labelled = f"http://{host}/v1/models/half_plus_two/labels/stable:predict"
        assert requests.post(labelled, json={"instances": [2.0]}, timeout=60).json()["predictions"] == [3.0]
        assert requests.get(f"http://{host}/monitoring/prometheus/metrics", timeout=60).status_code == 200


def test_the_health_check_fails_while_a_version_is_missing(project: Path) -> None:
    (project / "deployer.toml").write_text("[models.half_plus_two]\nversions = [1, 2]\n")
    image = build(project, "--skip-gate")["image"]
    only_one = "sed -i s/versions:.2// /config/model_config.config && exec tf_serving_entrypoint.sh $0 $@"
    container = docker(
        "run", "--detach", "--user", "0", "--entrypoint", "bash", image, "-c", only_one, *config(image)["Cmd"]
    )
    try:
        eventually(lambda: "Exporting HTTP/REST" in docker_logs(container), "the server listens")
        ended = subprocess.run(
            ["docker", "exec", container, "bash", "/config/healthcheck.sh"], timeout=SECONDS, check=False
        )
        assert ended.returncode == 1
    finally:
        docker("rm", "--force", container)


def docker_logs(container: str) -> str:
    ended = subprocess.run(["docker", "logs", container], capture_output=True, text=True, timeout=SECONDS, check=True)
    return ended.stdout + ended.stderr


def test_variables_and_the_state_directory_stay_out(project: Path) -> None:
    (project / "deployer.toml").write_text(
        '[models.half_plus_two]\nversions = [1]\n[docker]\nenvironment = { SECRET = "hush-hush" }\n'
    )
    (project / ".deployer").mkdir(exist_ok=True)
    (project / ".deployer" / "mark").write_text("hush-hush")
    ended = deployer("image", "build", cwd=project)
    assert ended.code == 0, ended.err
    assert "SECRET" in ended.err
    assert "hush-hush" not in ended.err + ended.out
    archive = subprocess.run(["docker", "save", NAME], capture_output=True, timeout=SECONDS, check=True).stdout
    assert b"hush-hush" not in archive
    assert str(project).encode() not in archive


def test_an_image_that_answers_wrongly_gets_no_name(
    named: Path, gateway_image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPLOYER_DOCKER_IMAGE", quick_server(gateway_image))
    ended = deployer("image", "build", "--timeout", "20", cwd=named)
    assert ended.code in (7, 8), ended.err
    assert images() == []
    assert docker("ps", "-a", "-q", "--filter", LABEL) == ""


def test_a_damaged_version_is_refused_before_anything_is_loaded(named: Path) -> None:
    variables = next((named / "models/half_plus_two/1").rglob("variables.data*"))
    data = bytearray(variables.read_bytes())
    data[0] ^= 1
    variables.unlink()
    variables.write_bytes(data)
    refused(deployer("image", "build", cwd=named), 4, "is not what was exported")
    assert images() == []


def test_a_build_that_was_killed_leaves_nothing_after_the_next(project: Path) -> None:
    command = [sys.executable, "-m", "deployer", "image", "build", "half_plus_two:1"]
    child = subprocess.Popen(command, cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: docker("ps", "-q", "--filter", LABEL) != "", "a server of the image runs")
        child.send_signal(signal.SIGKILL)
    finally:
        child.kill()
        child.wait(60)
    assert docker("ps", "-a", "-q", "--filter", LABEL) != ""
    assert build(project, "half_plus_two:1")["image"] == NAME
    assert docker("ps", "-a", "-q", "--filter", LABEL) == ""


def test_what_can_be_no_image_is_refused(project: Path) -> None:
    refused(deployer("image", "build", "half_plus_two:9", cwd=project), 4, "has no version 9")
    refused(deployer("image", "build", "half_plus_two", "--tag", "Not/A:Name:1", cwd=project), 2, "Not/A:Name:1")
    refused(deployer("image", "build", "nothing", cwd=project), 4, "nothing")


def test_a_container_of_an_image_is_no_deployment(project: Path) -> None:
    build(project, "half_plus_two:1", "--skip-gate")
    with running(NAME):
        assert deployer("status", "--json", cwd=project).json["deployments"] == []
    labels = sdk.from_env().images.get(NAME).labels
    assert not {"deployer.name", "deployer.release", "deployer.project"} & labels.keys()

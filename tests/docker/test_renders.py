"""A rendered compose file and a rendered `docker run` script start what `up` starts; each is run as its owner would."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.containers import TESTBED, inspect
from support.deploying import NAME, deployer, refused, up
from support.world import eventually, free_port

from deployer.client import availability
from deployer.client.client import Client
from deployer.results.deployment import Endpoints
from deployer.results.served import ServedModel
from deployer.store.store import Store
from deployer.system.wait import Deadline, wait_until_ready
from deployer.verification import smoke
from deployer.verification.golden import Tolerance

FORMS = ("compose", "docker-run")
LIMITS = """
name = "half_plus_two"
[models.half_plus_two]
versions = [1, 3]
labels = { stable = 1 }
[server]
flags = { tensorflow_inter_op_parallelism = 2 }
[monitoring]
[docker]
cpus = 1.5
memory = "1g"
shm_size = "128m"
environment = { MALLOC_ARENA_MAX = "2", EMPTY = "" }
restart = "on-failure"
user = "65533:65533"
"""


@pytest.fixture(scope="session")
def compose() -> list[str]:
    """A command that runs Compose files."""
    ended = subprocess.run([TESTBED, "compose"], capture_output=True, text=True, timeout=600, check=True)
    return ended.stdout.split()


@contextmanager
def started(form: str, directory: Path, compose: list[str]) -> Iterator[None]:
    """What the rendered directory starts, run and taken away again as its owner would."""
    composing = [*compose, "-f", str(directory / "compose.yaml")]
    try:
        run(*composing, "up", "-d") if form == "compose" else run("bash", str(directory / "docker-run.sh"))
        yield
    finally:
        if form == "compose":
            run(*composing, "down")
        else:
            subprocess.run(["docker", "rm", "--force", NAME], capture_output=True, timeout=60, check=False)
            subprocess.run(["docker", "network", "rm", NAME], capture_output=True, timeout=60, check=False)


def run(*command: str) -> str:
    """In no particular directory: a rendered file finds what is beside it."""
    ended = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def render(form: str, project: Path, *arguments: str) -> Path:
    """Into a directory of the project."""
    ended = deployer("render", form, *arguments, "--out", form, cwd=project)
    assert ended.code == 0, ended.err
    return project / form


def prove(project: Path, rest: int, grpc: int, *versions: int) -> None:
    """The gate's own proof, golden answers and all."""
    models = tuple(Store(project / "models").get("half_plus_two", version) for version in versions)
    endpoints = Endpoints(f"http://127.0.0.1:{rest}", f"127.0.0.1:{grpc}")
    with closing(Client(endpoints, 10.0)) as client:
        served = (ServedModel("half_plus_two", versions),)
        wait_until_ready(lambda: availability.readiness(client, served), Deadline.after(60), "the container")
        report = smoke.verify(client, models, Tolerance(None, None))
    assert report.ok, report.failed


def made(container: str) -> dict[str, Any]:
    """What an engine's inspection says that must not depend on who created the container."""
    found = inspect(container)
    config, host = found["Config"], found["HostConfig"]
    labels = {name: value for name, value in config["Labels"].items() if name in DESCRIPTION}
    of_config = {key: config[key] for key in ("Image", "Cmd", "User", "Healthcheck", "Entrypoint")}
    of_host = {key: host[key] for key in SETTINGS}
    mounts = sorted((mount["Type"], mount["Destination"], mount["RW"]) for mount in found["Mounts"])
    networks = list(found["NetworkSettings"]["Networks"])
    return {
        **of_config,
        **of_host,
        "Env": sorted(config["Env"]),
        "labels": labels,
        "mounts": mounts,
        "networks": networks,
    }


DESCRIPTION = [f"deployer.{word}" for word in ("name", "env", "digest", "host", "models")]
SETTINGS = (
    *("Init", "ReadonlyRootfs", "Tmpfs", "CapDrop", "SecurityOpt", "PidsLimit", "RestartPolicy", "LogConfig"),
    *("NanoCpus", "Memory", "MemorySwap", "ShmSize", "PortBindings", "Privileged", "PublishAllPorts"),
)


def texts(directory: Path) -> dict[str, str]:
    return {str(path.relative_to(directory)): path.read_text() for path in directory.rglob("*") if path.is_file()}


def test_what_is_rendered_is_what_up_makes(project, compose):
    ports = free_port(), free_port()
    asked = ("--rest-port", str(ports[0]), "--grpc-port", str(ports[1]))
    (project / "deployer.toml").write_text(LIMITS)
    up(project, *asked)
    by_deployer = made(NAME)
    models = [mount["Source"] for mount in inspect(NAME)["Mounts"] if mount["Destination"] == "/models"]
    assert by_deployer["NanoCpus"] == 1_500_000_000
    kept = {form: texts(render(form, project)) for form in FORMS}
    assert deployer("down", cwd=project).code == 0
    for form in FORMS:
        directory = render(form, project, *asked)
        assert texts(directory) == kept[form]
        with started(form, directory, compose):
            prove(project, *ports, 1, 3)
            assert made(NAME) == by_deployer, form
            sources = {mount["Destination"]: mount["Source"] for mount in inspect(NAME)["Mounts"]}
            assert sources == {"/models": models[0], "/config": str(directory / "config")}
            eventually(lambda: inspect(NAME)["State"]["Health"]["Status"] == "healthy", "its health check passes")


@pytest.mark.parametrize("form", FORMS)
def test_its_owner_has_it_and_no_verb_touches_it(project, compose, form):
    directory = render(form, project, "half_plus_two:1", "--rest-port", "0", "--grpc-port", "0")
    with started(form, directory, compose):
        before = inspect(NAME)["Id"]
        assert deployer("status", "--all", "--json", cwd=project).json["deployments"] == []
        assert deployer("down", "--all", cwd=project).code == 10
        refused(
            deployer("up", "half_plus_two:1", cwd=project),
            6,
            f"container {NAME} has this deployment's name and was not started by deployer",
        )
        assert (inspect(NAME)["Id"], inspect(NAME)["State"]["Running"]) == (before, True)
        bindings = inspect(NAME)["NetworkSettings"]["Ports"]
        assert {binding["HostIp"] for found in bindings.values() for binding in found} == {"127.0.0.1"}
        prove(project, int(bindings["8501/tcp"][0]["HostPort"]), int(bindings["8500/tcp"][0]["HostPort"]), 1)


VALUE = '[docker.environment]\nKEY = "a \\"b\\" \'$${c ${CANARY}-${LACKS:-d \\"e\\" `f`}"\n'


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_taken_from_the_environment_of_the_one_who_starts_it(project, compose, form, monkeypatch):
    (project / "deployer.toml").write_text(f"[models.half_plus_two]\nversions = [1]\n{VALUE}")
    directory = render(form, project, "--rest-port", "0", "--grpc-port", "0")
    with pytest.raises(AssertionError, match="CANARY"), started(form, directory, compose):
        pass
    monkeypatch.setenv("CANARY", "s3cr$et \n'\"`")
    with started(form, directory, compose):
        assert """KEY=a "b" '${c s3cr$et \n'"`-d "e" `f`""" in inspect(NAME)["Config"]["Env"]


HOSTILE = """a 'b' "c" $(touch pwned) `touch pwned` ${HOME} $HOME \\ # {{ 7 * 7 }} !!x: [y], |\n- z\t=ü\U0001f600"""


@pytest.mark.parametrize("form", FORMS)
def test_no_value_becomes_anything_but_a_value(project, compose, form):
    """Names of directories, variables and flags that would be commands, other keys, or other mounts."""
    models = (project / "models").rename(project / "mo\"d,e'l$HOME${x}: #s")
    value = json.dumps(HOSTILE.replace("$", "$$"), ensure_ascii=False)
    (project / "deployer.toml").write_text(
        f"models_dir = {json.dumps(models.name.replace('$', '$$'))}\n[models.half_plus_two]\nversions = [1]\n"
        f"[server.flags]\ntensorflow_session_config_file = {value}\n[docker.environment]\nHOSTILE = {value}\n"
    )
    out = project / "o,u\"t'$HOME${x}"
    rendered = deployer("render", form, "--rest-port", "0", "--grpc-port", "0", "--out", str(out), cwd=project)
    assert rendered.code == 0, rendered.err
    with started(form, out, compose):
        found = inspect(NAME)
        assert f"HOSTILE={HOSTILE}" in found["Config"]["Env"]
        assert f"--tensorflow_session_config_file={HOSTILE}" in found["Config"]["Cmd"]
        assert {mount["Source"] for mount in found["Mounts"]} == {str(models), str(out / "config")}
    assert not list(project.rglob("pwned"))
    assert not Path("/pwned").exists()


@pytest.mark.parametrize("form", FORMS)
def test_a_directory_that_is_missing_is_refused_and_not_made(project, compose, form):
    """Below a directory with a colon too, which ends a path in the short form of a volume."""
    above = project / "of: me"
    above.mkdir()
    rendered = deployer("render", form, "half_plus_two:1", "--rest-port", "0", "--grpc-port", "0", "--out",
                        str(above / "out"), cwd=project)  # fmt: skip
    assert rendered.code == 0, rendered.err
    with started(form, above / "out", compose):
        assert {mount["Source"] for mount in inspect(NAME)["Mounts"]} >= {str(above / "out" / "config")}
    for missing in (above / "out" / "config", project / "models"):
        missing.rename(project / "elsewhere")
        with (
            pytest.raises(AssertionError, match="bind source path does not exist"),
            started(form, above / "out", compose),
        ):
            pass
        assert not missing.exists()
        (project / "elsewhere").rename(missing)


@pytest.mark.parametrize("form", FORMS)
def test_it_is_published_at_an_address_of_version_6(project, compose, form):
    directory = render(form, project, "half_plus_two:1", "--rest-port", "0", "--grpc-port", "0", "--host", "::1")
    with started(form, directory, compose):
        bindings = inspect(NAME)["HostConfig"]["PortBindings"]
        assert {each["HostIp"] for found in bindings.values() for each in found} == {"::1"}


@pytest.mark.parametrize("form", FORMS)
def test_a_gpu_is_asked_for(project, compose, form, monkeypatch):
    """No engine of the tests has one: it says what it misses, so it was asked."""
    monkeypatch.setenv("DEPLOYER_DOCKER_GPUS", "-1")
    directory = render(form, project, "half_plus_two:1", "--rest-port", "0", "--grpc-port", "0")
    with (
        pytest.raises(AssertionError, match=r"could not select device driver.*\[\[gpu\]\]"),
        started(form, directory, compose),
    ):
        pass


def test_a_file_of_its_owners_is_not_overwritten(project):
    directory = render("compose", project, "half_plus_two:1")
    assert deployer("render", "compose", "half_plus_two:1", "--out", "compose", cwd=project).code == 0
    (directory / "compose.yaml").write_text("mine")
    ended = deployer("render", "compose", "half_plus_two:2", "--out", "compose", cwd=project)
    refused(ended, 2, "compose.yaml exists with other contents", "--force")
    assert (directory / "compose.yaml").read_text() == "mine"
    assert "versions: 1" in (directory / "config" / "model_config.config").read_text()
    assert deployer("render", "compose", "half_plus_two:2", "--out", "compose", "--force", cwd=project).code == 0
    assert "versions: 2" in (directory / "config" / "model_config.config").read_text()


def test_the_script_can_be_run_by_its_name(project):
    assert (render("docker-run", project, "half_plus_two:1") / "docker-run.sh").stat().st_mode & 0o111 == 0o111

"""Deployments on another machine, over SSH and over TCP with TLS: as on this one, with nothing of it mounted there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from support import far as engines
from support.cli import ANY_PORTS, command, environment, started_anew
from support.cluster import Cluster
from support.containers import PROJECT, build, docker
from support.deploying import deployer, refused, up
from support.far import Far
from support.quick_server import quick_server
from support.swarm_site import on_nodes
from support.traffic import traffic
from support.world import eventually

from deployer.engines.docker.gateway import tokens as hashes

NAME = "half_plus_two"
MIB = 1 << 20
LARGE = 96 * MIB
SECONDS = 120
TOKEN = "a-token-of-a-client"


@pytest.fixture(params=["ssh", "tls"])
def far(cluster: Cluster, project: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch):
    with engines.selected(cluster, request.param, project, monkeypatch) as found:
        yield found


@pytest.fixture
def over_ssh(cluster: Cluster, project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
    with engines.selected(cluster, "ssh", project, monkeypatch) as found:
        yield found


@pytest.fixture
def over_tls(cluster: Cluster, project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
    with engines.selected(cluster, "tls", project, monkeypatch) as found:
        yield found


def succeed(project: Path, *arguments: str) -> str:
    ended = deployer(*arguments, cwd=project)
    assert ended.code == 0, ended.err + ended.out
    return ended.out + ended.err


def predicted(project: Path) -> float:
    """What is predicted for 2.0: 3.0 by version 1, 4.0 by version 2."""
    ended = deployer("predict", NAME, "--input", '{"instances": [2.0]}', cwd=project)
    assert ended.code == 0, ended.err
    return json.loads(ended.out)["predictions"][0]


def blobs(far: Far) -> set[str]:
    return {path.name for path in (far.volume() / ".blobs").iterdir()}


def test_a_deployment_goes_through_its_life_there(project, far):
    made = up(project, f"{NAME}:1", *ANY_PORTS)
    assert made["report"]["ok"]
    assert made["endpoints"]["rest"].startswith("http://127.0.0.1:")
    (reach,) = [note for note in made["notices"] if far.host in note]
    assert re.search(rf"ssh -N -L (\d+):127\.0\.0\.1:\1 .*{re.escape(far.host)}", reach)
    (status,) = deployer("status", "--json", cwd=project).json["deployments"]
    assert (status["healthy"], status["deployment"]["machine"]) == (True, far.host)
    assert "forwarded" not in status["deployment"]
    assert predicted(project) == 3.0
    before = blobs(far)
    assert "copying models" in succeed(project, "redeploy", NAME, "--version", "2")
    assert predicted(project) == 4.0
    assert len(blobs(far)) > len(before)
    assert "copying models" not in succeed(project, "rollback", NAME)
    assert predicted(project) == 3.0
    succeed(project, "label", NAME, "stable=1")
    assert deployer("smoke", NAME, "--json", cwd=project).json["report"]["ok"]
    measured = deployer("bench", NAME, "--rate", "5", "--duration", "1", "--json", cwd=project)
    assert [stage["failed"] for stage in measured.json["stages"]] == [0, 0], measured.err
    assert far.host in measured.json["notices"][0]
    assert "half_plus_two" in succeed(project, "logs", NAME)
    assert deployer("history", "--json", cwd=project).json["releases"][0]["outcome"] == "succeeded"
    (found,) = [each for each in doctor(project) if each["check"] == "memory"]
    assert far.host in found["message"]
    # Without the variable the image is one that the engine does not have.
    ended = started_anew("down", NAME, cwd=project, DEPLOYER_ENGINE="docker", DEPLOYER_PROJECT=PROJECT)
    assert ended.code == 0, ended.err
    assert [each for each in far.left() if not each.startswith("volume")] == []
    succeed(project, "prune")  # the helper of this process had the volume in use
    assert far.left() == []


def test_an_image_with_the_model_is_built_there_and_deployed_without_a_volume(project, over_ssh):
    far = over_ssh
    before = far.left()
    image = json.loads(deployer("image", "build", f"{NAME}:1", "--json", "-q", cwd=project).out)
    assert image["report"]["ok"]
    try:
        shutil.rmtree(project / "models")
        made = up(project, image["id"], *ANY_PORTS)
        assert made["report"]["ok"]
        assert predicted(project) == 3.0
        assert deployer("smoke", NAME, "--json", cwd=project).json["report"]["ok"]
        succeed(project, "down", NAME)
        assert far.left() == before
    finally:
        far.node.docker("rmi", "--force", image["id"])


@pytest.fixture
def pushed(cluster: Cluster, gateway_image: str) -> Iterator[str]:
    """A small image that the registry has, and no node. It has no golden answers."""
    own = build(f"{PROJECT}/quick:1", f"FROM {quick_server(gateway_image)}\nENV RUN={PROJECT}\n")
    (image,) = on_nodes(cluster, own).values()
    name, node = f"{cluster.registry}/{PROJECT}/quick:1", cluster.nodes[0]
    node.docker("tag", image, name)
    node.docker("push", "--quiet", name)
    docker("rmi", own)
    for each in cluster.nodes:
        each.docker("rmi", "--force", image)
    yield name
    cluster.nodes[1].docker("rmi", "--force", name)


def test_an_image_is_pulled_there(project, over_ssh, pushed, monkeypatch):
    monkeypatch.setenv("DEPLOYER_DOCKER_IMAGE", pushed)
    monkeypatch.setenv("DEPLOYER_GATE_SKIP", "true")
    ended = deployer("up", f"{NAME}:1", *ANY_PORTS, cwd=project)
    assert (ended.code, f"pulling {pushed}" in ended.err) == (0, True), ended.err
    assert predicted(project) == 3.0
    (status,) = deployer("status", "--json", cwd=project).json["deployments"]
    repository = pushed.removesuffix(":1")
    assert re.fullmatch(rf"{repository}@sha256:[0-9a-f]{{64}}", status["deployment"]["image"])
    assert over_ssh.node.docker("images", "--quiet", repository)
    succeed(project, "down", NAME)


def doctor(project: Path) -> list[dict[str, str]]:
    return deployer("doctor", "--json", cwd=project).json["findings"]


def test_a_server_is_replaced_and_open_to_every_network_of_that_machine(project, over_ssh):
    far = over_ssh
    made = up(project, f"{NAME}:1", *ANY_PORTS, "--host", "0.0.0.0")
    assert made["endpoints"]["rest"].startswith(f"http://{far.host}:")
    assert not [note for note in made["notices"] if "ssh -N" in note]
    replaced = up(project, f"{NAME}:2", "--memory", "2g")
    assert replaced["plan"]["change"] == "replace"
    assert replaced["endpoints"] == made["endpoints"]
    assert predicted(project) == 4.0


def start(project: Path, *arguments: str, **more: str) -> subprocess.Popen[str]:
    """Start a command that a test will interrupt."""
    settings = {name: value for name, value in os.environ.items() if name.startswith("DEPLOYER_")}
    return subprocess.Popen(
        command(*arguments), cwd=project, env=environment(**settings, **more), text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip


def large(project: Path) -> None:
    """A version with a large file of random bytes: other files of version 1 are the same."""
    path = project / "models" / NAME / "9"
    shutil.copytree(project / "models" / NAME / "1", path, ignore=shutil.ignore_patterns("assets.extra"))
    (path / "assets").mkdir(exist_ok=True)
    with (path / "assets" / "large").open("wb") as file:
        file.write(os.urandom(LARGE))


def arrived(far: Far) -> int:
    """How many bytes have arrived of a file that is being sent."""
    try:
        return max((path.stat().st_size for path in far.volume().glob(".incoming/*/*@*")), default=0)
    except (ValueError, OSError):
        return 0


def test_a_copy_that_is_killed_or_cut_goes_on_where_it_ended(project, over_ssh):
    large(project)
    killed = start(project, "up", f"{NAME}:9", "--skip-gate", *ANY_PORTS)
    eventually(lambda: arrived(over_ssh) > MIB, "bytes arrive", SECONDS)
    killed.kill()
    killed.communicate(timeout=SECONDS)
    volume = over_ssh.volume().parent.name
    eventually(lambda: helpers(over_ssh, volume) == "", "the helper has ended with its command", SECONDS)
    first = arrived(over_ssh)
    assert 0 < first < LARGE

    cut = start(project, "up", f"{NAME}:9", "--skip-gate", *ANY_PORTS)
    eventually(lambda: arrived(over_ssh) > first + MIB or rest_arrived(over_ssh) > MIB, "more arrives", SECONDS)
    for child in psutil.Process(cut.pid).children():
        if child.name() == "ssh":
            child.kill()
    _, errors = cut.communicate(timeout=SECONDS)
    assert cut.returncode == 6, errors
    assert over_ssh.address in errors

    ended = deployer("up", f"{NAME}:9", "--skip-gate", *ANY_PORTS, cwd=project)
    assert ended.code == 0, ended.err
    (size,) = re.findall(r"copying models to \S+: ([0-9.]+) MiB$", ended.err, re.MULTILINE)
    assert float(size) < (LARGE - first) / MIB
    assert predicted(project) == 3.0


def rest_arrived(far: Far) -> int:
    return max((path.stat().st_size for path in far.volume().glob(".incoming/*/*@[1-9]*")), default=0)


def helpers(far: Far, volume: str) -> str:
    """The containers that copy models into a volume; other test processes have theirs on the same engine."""
    filters = ("--filter", "label=deployer.helper", "--filter", f"volume={volume}")
    return far.node.docker("ps", "--all", "--quiet", *filters)


def test_commands_go_on_with_another_helper_when_one_is_ended(project, far):
    up(project, f"{NAME}:1", *ANY_PORTS)
    ending = start(project, "redeploy", NAME, "--version", "2")
    volume = far.volume().parent.name
    ended: set[str] = set()
    while ending.poll() is None and len(ended) < 2:
        for helper in set(helpers(far, volume).split()) - ended:
            subprocess.run(["docker", "--host", far.node.socket, "kill", helper], capture_output=True, check=False)
            ended.add(helper)
    _, errors = ending.communicate(timeout=SECONDS)
    assert (ending.returncode, bool(ended)) == (0, True), errors
    assert predicted(project) == 4.0


def test_a_promotion_that_is_killed_is_mended_by_the_next_command(project, over_ssh):
    up(project, f"{NAME}:1", *ANY_PORTS)
    killed = start(project, "up", f"{NAME}:2", "--memory", "2g")
    eventually(lambda: "retiring" in "".join(over_ssh.left()), "the old server is stopped", SECONDS)
    killed.kill()
    killed.communicate(timeout=SECONDS)
    succeed(project, "redeploy", NAME, "--version", "2", "--lock-wait", "60")
    assert predicted(project) == 4.0
    assert len([line for line in over_ssh.left() if line.startswith("container")]) == 1


def test_a_full_disk_there_is_refused_before_anything_is_started(project, over_ssh):
    large(project)
    up(project, f"{NAME}:1", *ANY_PORTS)
    name = over_ssh.volume().parent.name
    succeed(project, "down", NAME)
    options = ("--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", "o=size=20m")
    over_ssh.node.docker("volume", "create", *options, name)
    refused(deployer("up", f"{NAME}:9", "--skip-gate", *ANY_PORTS, cwd=project), 6, "is full", "deployer prune")
    assert [line for line in over_ssh.left() if line.startswith("container")] == []


def test_settings_that_need_this_machines_files_are_refused(project, over_ssh):
    for form in ("compose", "docker-run"):
        refused(deployer("render", form, f"{NAME}:1", cwd=project), 3, over_ssh.address)


ADDRESSES = [
    ("ssh://nobody.invalid", "cannot be resolved", "~/.ssh/config"),
    ("ssh://guest@{host}", "", "docker group"),
    ("ssh://root@{host}/run/none.sock", "no socket /run/none.sock", ""),
    ("tcp://{host}:2375", "without TLS", "DOCKER_TLS_VERIFY"),
    ("tcp://{host}:1", "", "docker context ls"),
]


@pytest.mark.parametrize(("form", "cause", "hint"), ADDRESSES)
def test_an_engine_that_cannot_be_reached_is_refused(project, over_ssh, monkeypatch, form, cause, hint):  # noqa: PLR0917
    with monkeypatch.context() as changed:
        address = form.format(host=over_ssh.host)
        changed.setenv("DOCKER_HOST", address)
        if address.endswith(":2375"):
            changed.delenv("DOCKER_TLS_VERIFY")
            changed.delenv("DOCKER_CERT_PATH")
        refused(deployer("up", f"{NAME}:1", cwd=project), 6, address, cause, hint, "DOCKER_HOST")


def test_a_host_key_and_a_key_of_the_user_that_do_not_fit_are_refused(
    project, cluster, over_ssh, tmp_path, monkeypatch
):
    known, other = tmp_path / "known_hosts", tmp_path / "other"
    program = tmp_path / "bin" / "ssh"
    program.parent.mkdir()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)], check=True)
    with monkeypatch.context() as changed:
        changed.setenv("PATH", str(program.parent), prepend=os.pathsep)
        changed.setenv("DOCKER_HOST", f"{cluster.ssh}/run/docker.sock")
        install_ssh(program, cluster, f"-o UserKnownHostsFile={known}")
        refused(deployer("up", f"{NAME}:1", cwd=project), 6, "is not known here", "ssh ")
        known.write_text(f"{over_ssh.host} {other.with_suffix('.pub').read_text()}")
        refused(deployer("up", f"{NAME}:1", cwd=project), 6, "another one than before", "ssh-keygen -R")
        config = tmp_path / "config"
        config.write_text(cluster.ssh_config.read_text().replace(f"{cluster.ssh_config.parent}/key", str(other)))
        install_ssh(program, cluster, f"-F {config}")
        refused(deployer("up", f"{NAME}:1", cwd=project), 6, "accepts no key of this user", "ssh-copy-id root@")


def install_ssh(program: Path, cluster: Cluster, options: str) -> None:
    """An `ssh` with other options than the cluster's."""
    program.write_text(f'#!/bin/sh\nexec {cluster.ssh_path}/ssh {options} "$@"\n')
    program.chmod(0o755)


def test_a_certificate_that_does_not_fit_is_refused(project, cluster, monkeypatch, tmp_path):
    far = engines.by_tls(cluster)
    with monkeypatch.context() as changed:
        changed.setenv("DOCKER_HOST", far.address)
        changed.setenv("DOCKER_TLS_VERIFY", "1")
        changed.setenv("DOCKER_CERT_PATH", str(tmp_path))
        refused(deployer("up", f"{NAME}:1", cwd=project), 6, str(tmp_path / "ca.pem"), "DOCKER_CERT_PATH")
        shutil.copy(cluster.certificates / "ca.pem", tmp_path)
        refused(deployer("up", f"{NAME}:1", cwd=project), 6, "does not accept this user's certificate")


@pytest.fixture
def gated(project: Path, gateway_image: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The project with a gateway that speaks TLS and takes tokens."""
    hashes.write(project / "tokens", {"client": hashes.hash_token(TOKEN)})
    monkeypatch.setenv("DEPLOYER_GATEWAY_ENABLED", "true")
    monkeypatch.setenv("DEPLOYER_GATEWAY_IMAGE", gateway_image)
    monkeypatch.setenv("DEPLOYER_GATEWAY_DRAIN_SECONDS", "5")
    monkeypatch.setenv("DEPLOYER_GATEWAY_TLS", "true")
    monkeypatch.setenv("DEPLOYER_GATEWAY_TOKENS", str(project / "tokens"))


@pytest.mark.usefixtures("gated")
def test_a_gateway_there_fails_no_request(project, over_tls):
    far = over_tls
    made = up(project, f"{NAME}:1", *ANY_PORTS, "--host", "0.0.0.0")
    assert made["endpoints"]["rest"].startswith(f"https://{far.host}:")
    certificate = next((project / ".deployer" / "gateway").rglob("certificate.pem")).read_text()
    with traffic(made["endpoints"], TOKEN, certificate) as seen:
        seen.enough(20)
        succeed(project, "redeploy", NAME, "--version", "2")
        assert up(project, f"{NAME}:1", "--memory", "2g")["plan"]["change"] == "replace"
        seen.enough(20)
    assert seen.failed == []
    assert set(seen.answers) == {3.0, 4.0}
    (volume,) = far.node.docker("volume", "ls", "--quiet", "--filter", f"name=deployer-{PROJECT}.*gateway").split()
    files = Path(far.node.docker("volume", "inspect", "--format", "{{.Mountpoint}}", volume))
    kept = [path for path in files.rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}
    assert not [path for path in kept if TOKEN in path.read_text()]


@pytest.mark.usefixtures("gated")
def test_a_promotion_behind_a_gateway_that_is_killed_is_mended(project, over_ssh):
    made = up(project, f"{NAME}:1", *ANY_PORTS, "--host", "0.0.0.0")
    certificate = next((project / ".deployer" / "gateway").rglob("certificate.pem")).read_text()
    with traffic(made["endpoints"], TOKEN, certificate) as seen:
        killed = start(project, "up", f"{NAME}:2", "--memory", "2g", "--host", "0.0.0.0")
        eventually(lambda: 4.0 in seen.answers, "the new server answers", SECONDS)
        killed.kill()
        killed.communicate(timeout=SECONDS)
        succeed(project, "redeploy", NAME, "--version", "2", "--lock-wait", "60")
        seen.enough(20)
    assert seen.failed == []
    assert predicted(project) == 4.0
    assert len([line for line in over_ssh.left() if line.startswith("container")]) == 2

"""Containers through the Docker SDK, on a real engine: what `up` makes, what `down` leaves, and what goes wrong."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from functools import partial
from pathlib import Path

import pytest
from support.cli import ANY_PORTS, command, environment
from support.containers import LABEL, PROJECT, build, docker, inspect
from support.deploying import NAME, ask, deployer, refused, up
from support.quick_server import quick_server
from support.stores import record_files
from support.world import eventually, free_port, listens, state_left

from deployer.config.options import Settings
from deployer.operations.up import up as library_up
from deployer.results.plan import Change


def test_up_makes_a_hardened_container_and_down_leaves_nothing(project):
    result = up(project, "half_plus_two:1", *ANY_PORTS)
    assert (result["engine"], result["plan"]["change"], result["report"]["ok"]) == ("docker", "create", True)
    assert ask(result["endpoints"], 2.0) == 3.0
    found = inspect(NAME)
    host = found["HostConfig"]
    assert all(mount["RW"] is False for mount in found["Mounts"])
    assert {mount["Destination"] for mount in found["Mounts"]} == {"/models", "/config"}
    assert {binding["HostIp"] for bindings in host["PortBindings"].values() for binding in bindings} == {"127.0.0.1"}
    assert (host["ReadonlyRootfs"], host["CapDrop"], host["SecurityOpt"]) == (True, ["ALL"], ["no-new-privileges"])
    assert (host["Init"], host["PidsLimit"], host["RestartPolicy"]["Name"]) == (True, 4096, "unless-stopped")
    assert (found["Config"]["User"], host["LogConfig"]["Config"]["max-file"]) == ("65534:65534", "3")
    assert found["Config"]["Labels"]["deployer.name"] == "half_plus_two"
    assert found["Config"]["Labels"]["deployer.image"] == found["Image"]
    again = up(project, "half_plus_two:1", *ANY_PORTS)
    assert (again["plan"]["change"], again["endpoints"]) == ("nothing", result["endpoints"])
    assert deployer("down", "half_plus_two", cwd=project).code == 0
    assert not listens(int(result["endpoints"]["rest"].rpartition(":")[2]))
    assert state_left(project) == []
    assert deployer("down", "half_plus_two", cwd=project).code == 10


def test_versions_change_in_place(project):
    first = up(project, "half_plus_two:1", *ANY_PORTS)
    container = inspect(NAME)["Id"]
    second = up(project, "half_plus_two:2", *ANY_PORTS)
    assert (second["plan"]["change"], second["endpoints"]) == ("reload", first["endpoints"])
    assert ask(second["endpoints"], 2.0) == 4.0
    assert inspect(NAME)["Id"] == container
    assert up(project, "half_plus_two:2", *ANY_PORTS)["plan"]["change"] == "nothing"


def test_another_port_replaces_the_container_and_the_plan_tells_of_the_gap(quick):
    first = up(quick, "half_plus_two:1", *ANY_PORTS)
    port = free_port()
    plan = deployer("plan", "half_plus_two:1", "--rest-port", str(port), "--json", cwd=quick).json["plan"]
    (promote,) = [step["action"] for step in plan["steps"] if step["kind"] == "promote"]
    assert "ports are closed until the new one has loaded" in promote
    second = up(quick, "half_plus_two:1", "--rest-port", str(port))
    assert second["plan"]["change"] == "replace"
    assert second["endpoints"] == {"rest": f"http://127.0.0.1:{port}", "grpc": first["endpoints"]["grpc"]}
    assert ask(second["endpoints"], 2.0) == 3.0
    assert len(docker("ps", "-a", "-q", "--filter", LABEL).splitlines()) == 1


MOVING = "deployer-test/moving:1"


@pytest.fixture
def retag(gateway_image, monkeypatch, request):
    """Has the tag MOVING, by which servers are started, mean another image for another text."""

    def moved(text: str) -> None:
        image = build(MOVING, f"FROM {quick_server(gateway_image)}\nLABEL deployer-test={text}\n")
        request.addfinalizer(partial(docker, "rmi", "-f", inspect_image(image)))

    monkeypatch.setenv("DEPLOYER_DOCKER_IMAGE", MOVING)
    monkeypatch.setenv("DEPLOYER_GATE_SKIP", "true")  # it has no golden answers
    return moved


def test_what_was_tried_is_started_again_though_its_tag_has_moved_meanwhile(project, retag, monkeypatch):
    retag("one")
    up(project, "half_plus_two:1", *ANY_PORTS)
    tried = inspect(NAME)["Image"]
    monkeypatch.chdir(project)
    settings = Settings(engine="docker", rest_port=free_port())

    def move_the_tag(event: object) -> None:
        if "ports" in str(event):
            retag("two")

    result = library_up("half_plus_two:1", settings=settings, progress=move_the_tag)
    assert result.plan.change is Change.REPLACE
    assert inspect_image(MOVING) != tried
    assert inspect(NAME)["Image"] == tried
    assert deployer("down", "half_plus_two", cwd=project).code == 0


def test_a_tag_that_means_another_image_now_is_noticed(project, retag):
    tag = MOVING
    retag("one")
    first = up(project, "half_plus_two:1", *ANY_PORTS)
    assert up(project, "half_plus_two:1", *ANY_PORTS)["plan"]["change"] == "nothing"
    retag("two")
    plan = deployer("plan", "half_plus_two:1", *ANY_PORTS, cwd=project)
    assert plan.out.startswith("REPLACE")
    assert f"({tag} is image " in plan.out
    ids = [found.removeprefix("sha256:")[:12] for found in (inspect_image(tag), inspect(NAME)["Image"])]
    moved = f"{tag} is image {ids[0]} now, and {ids[1]} runs"
    for asked in (("status",), ("status", "half_plus_two"), ("status", "--all")):
        (there,) = deployer(*asked, "--json", cwd=project).json["deployments"]
        assert (there["healthy"], there["deployment"]["image_name"]) == (True, tag)
        assert there["warning"] == f"{moved}: deployer up half_plus_two:1 would replace the server"
    told = deployer("doctor", cwd=project).out
    assert f"half_plus_two [local]: {moved}" in told
    assert "-> deployer up half_plus_two:1 replaces the server" in told
    second = up(project, "half_plus_two:1", *ANY_PORTS)
    assert (second["plan"]["change"], second["endpoints"]) == ("replace", first["endpoints"])
    assert inspect(NAME)["Image"] == inspect_image(tag)
    assert deployer("status", cwd=project).err == ""
    assert deployer("down", "half_plus_two", cwd=project).code == 0


def inspect_image(image):
    """The engine's id of it."""
    return docker("image", "inspect", "--format", "{{.Id}}", image)


def calls_to_the_engine(monkeypatch):
    """The addresses that are asked from now on."""
    from docker.api.client import APIClient

    asked, get = [], APIClient._get

    def noted(self, url, **named):
        asked.append(url)
        return get(self, url, **named)

    monkeypatch.setattr(APIClient, "_get", noted)
    return asked


def test_several_deployments_stand_side_by_side(quick, monkeypatch):
    names = [f"side{number}" for number in range(10)]
    for name in names:
        (quick / f"{name}.toml").write_text(f'name = "{name}"\nmodels_dir = "models"\n[models.half_plus_two]\n')
    results = [up(quick, "--config", f"{name}.toml", *ANY_PORTS) for name in names]
    assert all(result["report"]["ok"] for result in results)
    assert len({result["endpoints"]["rest"] for result in results}) == 10
    asked = calls_to_the_engine(monkeypatch)
    status = deployer("status", "--all", "--json", cwd=quick).json["deployments"]
    assert [found["healthy"] for found in status] == [True] * 10
    assert sorted(path.rpartition("/v")[2].partition("/")[2] for path in asked if "/v1" in path) == [
        "containers/json",
        "images/json",
    ]
    assert deployer("down", "--all", cwd=quick).code == 0


def test_environments_are_containers_of_their_own(project):
    (project / "deployer.toml").write_text(
        "[models.half_plus_two]\n[env.staging.models.half_plus_two]\nversions = [1]\n"
    )
    local, staging = up(project, *ANY_PORTS), up(project, "--env", "staging", *ANY_PORTS)
    assert (ask(local["endpoints"], 2.0), ask(staging["endpoints"], 2.0)) == (2.0, 3.0)
    table = [line.split()[1:6] for line in deployer("status", "--all", cwd=project).out.splitlines()]
    assert table == [
        ["NAME", "ENV", "ENGINE", "MODELS", "STATE"],
        ["half_plus_two", "local", "docker", "half_plus_two:3", "serving"],
        ["half_plus_two", "staging", "docker", "half_plus_two:1", "serving"],
    ]
    assert len(deployer("status", "--env", "staging", cwd=project).out.splitlines()) == 2
    assert deployer("down", "--env", "staging", cwd=project).code == 0
    assert ask(local["endpoints"], 2.0) == 2.0


def test_a_server_that_dies_is_brought_back_by_the_restart_policy(project):
    result = up(project, "half_plus_two:1", *ANY_PORTS)
    pid = inspect(NAME)["State"]["Pid"]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: inspect(NAME)["State"]["Pid"] not in (0, pid), "the container runs again")
    eventually(lambda: deployer("status", "--json", cwd=project).json["deployments"][0]["healthy"], "it serves again")
    assert up(project, "half_plus_two:1", *ANY_PORTS)["plan"]["change"] == "nothing"
    assert ask(result["endpoints"], 2.0) == 3.0


def test_a_version_that_answers_otherwise_never_takes_traffic(project):
    first = up(project, "half_plus_two:1", *ANY_PORTS)
    home = project / "models" / "half_plus_two"
    answers = (home / "3" / "assets.extra" / "golden.tfrecord").read_bytes()
    (home / "2" / "assets.extra" / "golden.tfrecord").write_bytes(answers)
    record_files(home / "2")
    refused(deployer("up", "half_plus_two:2", cwd=project), 8, "half_plus_two:2 parity REST")
    assert ask(first["endpoints"], 2.0) == 3.0
    assert len(docker("ps", "-a", "-q", "--filter", LABEL).splitlines()) == 1


def test_a_broken_version_is_explained_with_the_servers_words(project):
    version = project / "models" / "half_plus_two" / "2"
    (version / "variables" / "variables.index").write_bytes(b"garbage")
    record_files(version)
    refused(deployer("up", "half_plus_two:2", *ANY_PORTS, cwd=project), 7, "  | ", "hint: ")


def test_a_port_of_another_container_or_process_is_refused_with_its_holder(project, server_image):
    port = free_port()
    docker(
        "run",
        "-d",
        "--name",
        "deployer-test-stranger",
        "-p",
        f"127.0.0.1:{port}:9",
        "--entrypoint",
        "sleep",
        server_image,
        "300",
    )
    try:
        ended = deployer("up", "half_plus_two:1", "--rest-port", str(port), cwd=project)
        refused(ended, 6, f"port {port} is taken by the container deployer-test-stranger", "--rest-port 0")
    finally:
        docker("rm", "-f", "deployer-test-stranger")
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = sock.getsockname()[1]
        refused(deployer("up", "half_plus_two:1", "--rest-port", str(port), cwd=project), 6, f"process {os.getpid()}")


def test_a_container_of_our_name_that_is_not_ours_is_never_touched(project, server_image):
    docker("run", "-d", "--name", NAME, "--entrypoint", "sleep", server_image, "300")
    try:
        before = inspect(NAME)["Id"]
        refused(
            deployer("up", "half_plus_two:1", *ANY_PORTS, cwd=project),
            6,
            f"container {NAME} has this deployment's name and was not started by deployer",
        )
        assert deployer("down", "half_plus_two", cwd=project).code == 10
        assert inspect(NAME)["Id"] == before
        assert inspect(NAME)["State"]["Running"]
    finally:
        docker("rm", "-f", NAME)


def test_what_was_done_to_a_container_behind_our_back_is_reported_and_mended(project):
    """A container that `docker kill` ended stays down: its restart policy is for ends of its own."""
    asked = ("half_plus_two:1", "--rest-port", str(free_port()), "--grpc-port", str(free_port()))
    first = up(project, *asked)
    for harm in (("kill",), ("stop", "--time", "60"), ("rm", "--force")):
        docker(*harm, NAME)
        if harm[0] == "stop":
            assert inspect(NAME)["State"]["ExitCode"] in (0, 143), "a stop is heard and not enforced"
        code, says = (10, "is gone") if harm[0] == "rm" else (0, "is not running")
        refused(deployer("status", "half_plus_two", cwd=project), code, says)
        mended = up(project, *asked)
        assert (mended["plan"]["change"], mended["endpoints"]) == ("create", first["endpoints"]), harm
        assert ask(mended["endpoints"], 2.0) == 3.0
        assert docker("ps", "-a", "--format", "{{.Names}}", "--filter", LABEL) == NAME


def test_a_version_that_was_removed_behind_our_back_is_reported(quick):
    """The server unloads it when it next looks, and would not come up again."""
    up(quick, "half_plus_two:1", *ANY_PORTS)
    shutil.rmtree(quick / "models/half_plus_two/1")
    doctor = deployer("doctor", cwd=quick)
    assert doctor.code == 6
    assert "serves half_plus_two:1, which is no longer in" in doctor.out
    status = deployer("status", cwd=quick)
    assert status.code == 0
    assert "half_plus_two [local]: half_plus_two:1 is no longer in " in status.err


def test_of_two_commands_at_once_one_waits_or_is_told_who_is_at_work(project, server_image):
    first = start_up(project, server_image)
    eventually(
        lambda: "candidate" in docker("ps", "--format", "{{.Names}}", "--filter", LABEL), "the first one is at work"
    )
    first.send_signal(signal.SIGSTOP)
    asked = ("half_plus_two:1", *ANY_PORTS)
    refused(deployer("up", *asked, cwd=project), 9, f"process {first.pid} ", "--lock-wait")
    refused(deployer("down", "half_plus_two", cwd=project), 9, f"process {first.pid} ")
    first.send_signal(signal.SIGCONT)
    second = up(project, *asked, "--lock-wait", "120")
    assert first.wait(120) == 0
    assert second["plan"]["change"] == "nothing"
    assert docker("ps", "-a", "--format", "{{.Names}}", "--filter", LABEL) == NAME


def start_up(project: Path, image: str) -> subprocess.Popen[bytes]:
    """`deployer up half_plus_two:1` in a process of its own."""
    return subprocess.Popen(
        command("up", "half_plus_two:1", *ANY_PORTS),
        cwd=project,
        env=environment(DEPLOYER_ENGINE="docker", DEPLOYER_PROJECT=PROJECT, DEPLOYER_DOCKER_IMAGE=image),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def test_auto_takes_docker_where_it_answers_and_finds_what_it_deployed(quick, monkeypatch):
    monkeypatch.setenv("DEPLOYER_ENGINE", "auto")
    result = up(quick, "half_plus_two:1", *ANY_PORTS)
    assert result["engine"] == "docker"
    assert deployer("status", cwd=quick).out.count("docker") == 1
    assert deployer("down", cwd=quick).code == 0


def test_a_command_killed_midway_leaves_a_candidate_that_the_next_one_sweeps(project, server_image):
    child = start_up(project, server_image)
    eventually(lambda: "candidate" in docker("ps", "--format", "{{.Names}}", "--filter", LABEL), "the candidate runs")
    child.kill()
    child.wait(60)
    for name in ((), ("half_plus_two",)):
        assert "release 1 (create) with half_plus_two:1 was killed at" in deployer("status", *name, cwd=project).err
    assert up(project, "half_plus_two:1", *ANY_PORTS)["plan"]["change"] == "create"
    assert docker("ps", "-a", "--format", "{{.Names}}", "--filter", LABEL) == NAME

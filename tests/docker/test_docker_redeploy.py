"""Versions that change on the Docker Engine: under load, killed at every step, with what served ending meanwhile."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.cli import ANY_PORTS, environment
from support.containers import LABEL, PROJECT, docker
from support.deploying import NAME, ask, deployer, refused, up
from support.load import load
from support.stores import record_files
from support.unaccepted import BOTH_LOADED, OLD_UNLOADED, check_killed_reload
from support.world import eventually

ANSWERS = {1: 3.0, 2: 4.0}
OURS = ("ps", "-a", "-q", "--filter", LABEL)
REQUESTS = 2000


def code(project: Path, *arguments: str) -> int:
    return deployer(*arguments, "-q", cwd=project).code


def test_requests_through_good_and_bad_changes(project):
    first = up(project, "half_plus_two:1", *ANY_PORTS)
    model = project / "models" / "half_plus_two"
    with load(project, first["endpoints"], "half_plus_two", 1, 2) as traffic:
        golden = "assets.extra/golden.tfrecord"
        (model / "3" / golden).write_bytes((model / "1" / golden).read_bytes())
        record_files(model / "3")
        assert code(project, "redeploy", "--version", "2", "--keep-previous") == 0
        assert code(project, "redeploy", "--version", "3") == 8
        assert code(project, "rollback") == 0
        (model / "3" / "variables" / "variables.index").write_bytes(b"broken")
        record_files(model / "3")
        assert code(project, "redeploy", "--version", "3") == 7
        while len(traffic.samples) < REQUESTS:
            assert code(project, "redeploy", "--version", "2") == 0
            assert code(project, "rollback") == 0
    seen = traffic.figures()
    assert (seen.failures, seen.first_failure) == (0, "")
    assert seen.requests >= REQUESTS


def test_what_serves_is_killed_while_its_successor_is_proven(project, server_image):
    up(project, "half_plus_two:1", *ANY_PORTS)
    redeploy = subprocess.Popen(
        [sys.executable, "-m", "deployer", "redeploy", "--version", "2", "-q"],
        cwd=project,
        env=environment(DEPLOYER_ENGINE="docker", DEPLOYER_PROJECT=PROJECT, DEPLOYER_DOCKER_IMAGE=server_image),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    eventually(lambda: len(docker(*OURS).splitlines()) == 2, "a candidate is there")
    docker("kill", NAME)
    _, error = redeploy.communicate(timeout=120)
    assert redeploy.returncode not in (0, 70), error
    mended = up(project, "half_plus_two:2", *ANY_PORTS)
    assert ask(mended["endpoints"], 2.0) == ANSWERS[2]
    assert len(docker(*OURS).splitlines()) == 1


def test_a_change_that_clients_notice_is_undone_and_says_so_once_the_old_server_serves_again(project):
    """Only one container can have the ports: the old one is started again, and requests fail until it has loaded."""
    endpoints = up(project, "half_plus_two:1", *ANY_PORTS)["endpoints"]
    (project / "deployer.toml").write_text("[server.flags]\nfile_system_poll_wait_seconds = 2\n")
    measured = ("--measure", "50", "--max-failures", "0")
    ended = deployer("redeploy", "--version", "2", *measured, "--json", "-q", cwd=project)
    assert (ended.code, ended.json["notices"][-1]) == (1, "half_plus_two:1 still serves")
    assert ask(endpoints, 2.0) == ANSWERS[1]
    (status,) = deployer("status", "--json", cwd=project).json["deployments"]
    assert status["healthy"]
    traffic = deployer("history", "--json", cwd=project).json["releases"][0]["traffic"]
    (told,) = [notice for notice in ended.json["notices"] if "requests failed" in notice]
    assert told.startswith(f"in all, {traffic['failures']} of {traffic['requests']} requests failed")


def test_a_version_for_which_the_limit_leaves_no_memory_is_refused_beforehand(project):
    (project / "deployer.toml").write_text('[docker]\nmemory = "2g"\n')
    endpoints = up(project, "half_plus_two:1", *ANY_PORTS)["endpoints"]
    manifest = project / "models" / "half_plus_two" / "2" / "assets.extra" / "manifest.json"
    document = json.loads(manifest.read_text())
    document["info"]["size_bytes"] = 2 * 2**30
    manifest.write_text(json.dumps(document))
    ended = deployer("redeploy", "--version", "2", cwd=project)
    refused(ended, 6, "not enough memory for two", "of the 2,048 MiB that it may use", "gate.check_memory = false")
    assert ask(endpoints, 2.0) == ANSWERS[1]


def test_options_of_containers_are_those_of_the_server(quick):
    def limits() -> list[object]:
        found = json.loads(docker("inspect", NAME))[0]
        return [found["HostConfig"]["Memory"], found["HostConfig"]["NanoCpus"], found["Config"]["User"]]

    up(quick, "half_plus_two:1", *ANY_PORTS, "--memory", "2g", "--cpus", "1.5", "--user", "1000:1000")
    assert limits() == [2 << 30, 1_500_000_000, "1000:1000"]
    same = ("--cpus", "1.5", "--user", "1000:1000")
    ended = deployer("redeploy", "--version", "2", "--memory", "3g", *same, "--json", cwd=quick)
    assert (ended.code, ended.json["plan"]["change"]) == (0, "replace")
    assert limits() == [3 << 30, 1_500_000_000, "1000:1000"]
    again = deployer("plan", "half_plus_two:2", "--memory", "3g", *same, "--exit-code", "--json", cwd=quick)
    assert again.code == 0


def test_a_server_that_has_another_store_mounted_is_replaced_and_not_told_of_versions_that_it_cannot_see(quick):
    up(quick, "half_plus_two:1", *ANY_PORTS)
    shutil.copytree(quick / "models", quick / "elsewhere")
    elsewhere = (*("--models-dir", "elsewhere"), *ANY_PORTS)
    plan = deployer("plan", "half_plus_two:2", *elsewhere, "--json", cwd=quick).json["plan"]
    assert (plan["change"], "elsewhere" in plan["steps"][0]["cause"]) == ("replace", True)


def test_a_candidate_that_runs_out_of_memory_leaves_what_served(project):
    endpoints = up(project, "half_plus_two:1", *ANY_PORTS)["endpoints"]
    (project / "deployer.toml").write_text('[docker]\nmemory = "40m"\n')
    refused(deployer("up", "half_plus_two:1", "--timeout", "30", *ANY_PORTS, cwd=project), 7, "out of memory")
    assert ask(endpoints, 2.0) == ANSWERS[1]
    assert len(docker(*OURS).splitlines()) == 1


def test_changes_of_models_keep_the_container_with_its_limits_and_lose_no_request(project, server_image, monkeypatch):
    monkeypatch.delenv("DEPLOYER_DOCKER_IMAGE")
    chosen = ("--memory", "1g", "--cpus", "1.5", "--user", "1000:1000", "--image", server_image)
    first = up(project, "half_plus_two:1", *ANY_PORTS, *chosen)

    def container() -> list[object]:
        found = json.loads(docker("inspect", NAME))[0]
        host, config = found["HostConfig"], found["Config"]
        return [found["Id"], host["Memory"], host["NanoCpus"], config["User"], config["Image"]]

    before = container()
    assert before[1:] == [1 << 30, 1_500_000_000, "1000:1000", server_image]
    with load(project, first["endpoints"], "half_plus_two", 1, 2) as traffic:
        for command in (
            ("label", "half_plus_two", "s=1"),
            ("redeploy", "--version", "2", "--image", server_image),
            ("rollback",),
            ("up", "half_plus_two:2"),
        ):
            assert code(project, *command) == 0
            assert container() == before, command
    assert (traffic.figures().failures, traffic.figures().first_failure) == (0, "")
    plan = deployer("plan", "half_plus_two:2", "--memory", "2g", "--json", cwd=project).json["plan"]
    assert (plan["change"], plan["steps"][0]["cause"]) == ("replace", "changed: memory (1g, now 2g)")


@pytest.mark.parametrize("step", [BOTH_LOADED, OLD_UNLOADED])
def test_status_and_predict_name_a_version_that_answers_and_was_not_accepted(project, server_image, step):
    up(project, "half_plus_two:1", *ANY_PORTS)
    environ = {"ENGINE": "docker", "PROJECT": PROJECT, "DOCKER_IMAGE": server_image}
    check_killed_reload(project, step, **{f"DEPLOYER_{key}": value for key, value in environ.items()})

"""Two machines that deploy one name to one engine: one at a time, and nobody waits for the dead."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cli import ANY_PORTS, command, environment
from support.containers import LABEL, PROJECT, docker, inspect
from support.deploying import NAME, deployer, refused, up
from support.stores import copy_store
from support.world import eventually, state_left

from deployer.config.spec import Docker
from deployer.engines.docker import shared_lock
from deployer.engines.docker.api import connect
from deployer.engines.docker.engine import DockerEngine
from deployer.engines.docker.engine_lock import EngineLock
from deployer.engines.docker.host import DockerHost
from deployer.engines.docker.shared_lock import ExpiryTracker, LockInfo
from deployer.errors import EngineError, LockHeld
from deployer.results.deployment import Deployment, Endpoints
from deployer.results.launch import Rendered
from deployer.system import owners

LOCK = f"deployer.lock-{PROJECT}.local-half_plus_two"


@pytest.fixture
def elsewhere(project: Path, store: Path, tmp_path: Path) -> Path:
    """Another working copy: its own state and its own store, and the same engine."""
    directory = tmp_path / "elsewhere"
    directory.mkdir(mode=0o755)
    return copy_store(store, directory)


@pytest.fixture
def reloading_to(elsewhere: Path, server_image: str) -> Iterator[subprocess.Popen[bytes]]:
    """An `up` from there, stopped in the middle."""
    child = subprocess.Popen(
        command("up", "half_plus_two:1", *ANY_PORTS), cwd=elsewhere, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(DEPLOYER_ENGINE="docker", DEPLOYER_PROJECT=PROJECT, DEPLOYER_DOCKER_IMAGE=server_image),
    )  # fmt: skip
    try:
        eventually(lambda: "candidate" in docker("ps", "--format", "{{.Names}}", "--filter", LABEL), "it is at work")
        child.send_signal(signal.SIGSTOP)
        yield child
    finally:
        child.kill()
        child.wait(60)


def test_of_two_working_copies_one_is_told_who_is_at_work_and_may_wait(project, elsewhere, reloading_to):
    held = inspect(LOCK)
    assert (held["State"]["Status"], held["HostConfig"]["NetworkMode"]) == ("created", "none")
    for verb in (("up", "half_plus_two:1", *ANY_PORTS), ("down", "half_plus_two"), ("down", "--all")):
        refused(deployer(*verb, cwd=project), 9, f"process {reloading_to.pid} of ", "--lock-wait")
    assert deployer("status", "--all", "--json", cwd=project).json["deployments"] == []
    assert deployer("unlock", "half_plus_two", cwd=project).out.startswith(
        f"half_plus_two [local] is being worked on by process {reloading_to.pid} of "
    )
    reloading_to.send_signal(signal.SIGCONT)
    again = up(project, "half_plus_two:1", *ANY_PORTS, "--lock-wait", "120")
    assert reloading_to.wait(60) == 0
    assert again["plan"]["change"] in ("nothing", "replace")  # the other working copy's store is another directory
    assert docker("ps", "-a", "--format", "{{.Names}}", "--filter", LABEL) == NAME
    assert deployer("unlock", "half_plus_two", cwd=project).out == ("half_plus_two [local] is not locked\n")


def test_a_killed_command_of_another_working_copy_holds_nobody_up(project, elsewhere, reloading_to):
    reloading_to.kill()
    reloading_to.wait(60)
    assert inspect(LOCK)["State"]["Status"] == "created"
    assert up(project, "half_plus_two:1", *ANY_PORTS)["plan"]["change"] == "create"
    assert docker("ps", "-a", "--format", "{{.Names}}", "--filter", LABEL) == NAME
    assert deployer("down", "--all", cwd=project).code == 0
    assert deployer("down", "half_plus_two", cwd=elsewhere).code == 10
    assert state_left(elsewhere) == []


def test_a_lock_can_be_taken_away(project, reloading_to):
    reloading_to.send_signal(signal.SIGCONT)
    taken = deployer("unlock", "half_plus_two", "--force", "--json", cwd=project)
    assert (taken.code, taken.json["taken"]) == (0, True)
    assert f"process {reloading_to.pid} of " in taken.json["owner"]
    assert reloading_to.wait(60) == 130  # told to end, it undid what it had begun
    assert docker("ps", "-a", "-q", "--filter", LABEL) == ""


@pytest.fixture
def far(project: Path, monkeypatch: pytest.MonkeyPatch) -> EngineLock:
    """A lock whose holders pass for processes of another machine, where times are short."""
    mine = owners.current_owner
    monkeypatch.setattr(
        shared_lock, "current_owner", lambda: dataclasses.replace(mine(), machine="far away", host="far")
    )
    monkeypatch.setattr(shared_lock, "HEARTBEAT_SECONDS", 0.1)
    monkeypatch.setattr(shared_lock, "EXPIRY_SECONDS", 3.0)
    return EngineLock(connect(), PROJECT, "half_plus_two", "local")


def test_a_holder_elsewhere_that_lives_is_respected(far):
    with far.hold(0.0), pytest.raises(LockHeld, match="on far, since"), far.hold(4.0):
        pass
    assert far.inspect() is None


def test_a_holder_elsewhere_that_counts_no_more_is_not_waited_for(far, monkeypatch):
    with monkeypatch.context() as changed:
        changed.setattr(EngineLock, "_heartbeat", lambda *_: None)
        with far.hold(0.0):
            dead = far.inspect()
            with pytest.raises(LockHeld), far.hold(0.0):
                pass
            with far.hold(30.0):
                assert far.inspect().id != dead.id
                far.remove(dead.id)  # the first one comes back to life, and lets go of what was its own
                assert far.inspect() is not None
    assert far.inspect() is None


def test_a_holder_that_lost_its_lock_changes_nothing_more(far, project):
    engine = DockerEngine(DockerHost(project / ".deployer", project / "models", Docker(), project=PROJECT))
    there = Deployment(
        "half_plus_two", "local", "docker", "r", "candidate", (), Endpoints("", ""), 1, 2, "d", "", True, None, project
    )
    with engine.locks.acquire("half_plus_two", "local", 0.0):
        far.remove(far.inspect().id)
        with pytest.raises(LockHeld, match=r"was lost$"):
            engine.promote(there, 1.0, lambda _: None)
        with far.hold(0.0), pytest.raises(LockHeld, match=r"was lost; it is held by process .* on far"):
            engine.write_config(there, Rendered({}), ())


def test_the_verb_takes_away_a_lock_from_elsewhere(far, project):
    with far.hold(0.0):
        assert "on far" in deployer("unlock", "half_plus_two", cwd=project).out
        assert "was taken from process" in deployer("unlock", "half_plus_two", "--force", cwd=project).out
        assert far.inspect() is None


def test_a_container_of_that_name_that_is_no_lock_is_never_touched(far, project, server_image):
    identity = docker("create", "--name", LOCK, server_image)
    try:
        with pytest.raises(EngineError, match="not deployer's"), far.hold(0.0):
            pass
        refused(deployer("unlock", "half_plus_two", "--force", cwd=project), 6, "not deployer's")
        assert inspect(LOCK)["Id"] == identity
    finally:
        docker("rm", LOCK)


def test_an_owner_that_cannot_be_read_is_one_that_nobody_knows(far, server_image, monkeypatch):
    docker("create", "--name", LOCK, "--label", 'deployer.lock.owner={"pid": []}', server_image)
    assert far.inspect().owner_text == "another command"
    with far.hold(30.0):
        assert json.loads(inspect(LOCK)["Config"]["Labels"]["deployer.lock.owner"])["host"] == "far"


def test_a_clock_that_jumps_does_no_harm(monkeypatch):
    """The observer's own clock counts, and it never jumps; the time of day is only told."""
    here = owners.current_owner()
    held = LockInfo("id", dataclasses.replace(here, machine="far away"), 7)
    monkeypatch.setattr("time.time", lambda: 4e9)
    watch = ExpiryTracker()
    assert not watch.expired(held)
    assert not watch.expired(held)

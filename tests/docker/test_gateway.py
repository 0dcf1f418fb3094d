"""A gateway in front of real containers, and clients that ask all the time: whatever changes, none of them sees it."""

from __future__ import annotations

import os
import signal

import pytest
from support.containers import build, docker, inspect
from support.deploying import NAME, deployer, refused, up
from support.gated import GATEWAY, VERSION_1, VERSION_2, answers, configure, servers
from support.stores import record_files
from support.traffic import rest_client, traffic
from support.world import MODELS, eventually, listens, state_left

TEN_THOUSAND = 10_000
PAUSE_SECONDS = 0.02
"""Six clients with it ask about 220 times a second: the changes alone do not take ten thousand requests."""


@pytest.fixture
def another_image(server_image):
    """A second image: another id, and the same server."""
    return build("deployer-testbed/another", f"FROM {server_image}\nLABEL another=one\n")


def spoil(project):
    """Version 3 answers otherwise than at export, 4 cannot be loaded, 5 breaks clients."""
    for source in ("half_plus_two/1", "several/1"):
        arguments = ("--name", "half_plus_two", "--force", "-q")
        assert deployer("export", str(MODELS / source), *arguments, cwd=project).code == 0
    model = project / "models" / "half_plus_two"
    golden = "assets.extra/golden.tfrecord"
    (model / "3" / golden).write_bytes((model / "1" / golden).read_bytes())
    index = model / "4" / "variables" / "variables.index"
    index.unlink()  # it may be one file with what it was exported from
    index.write_bytes(b"broken")
    record_files(model / "3")
    record_files(model / "4")


def test_ten_thousand_requests_through_every_change_good_and_bad_and_none_fails(gated, another_image, monkeypatch):
    spoil(gated)
    first = up(gated, "half_plus_two:1")
    assert inspect(GATEWAY)["HostConfig"]["NetworkMode"] == "host"
    with traffic(first["endpoints"], pause=PAUSE_SECONDS) as seen:
        seen.may_be(VERSION_1)
        seen.enough(100)
        monkeypatch.setenv("DEPLOYER_DOCKER_IMAGE", another_image)
        configure(gated, flags="file_system_poll_wait_seconds = 2")
        plan = deployer("plan", "half_plus_two:2", cwd=gated).out
        assert "drain and stop the old server" in plan
        assert "closed" not in plan
        changed = while_answering(seen, (VERSION_1, VERSION_2), gated, "up", "half_plus_two:2")
        assert (changed["plan"]["change"], changed["endpoints"]) == ("replace", first["endpoints"])
        seen.may_be(VERSION_2)
        with monkeypatch.context() as starved:
            starved.setenv("DEPLOYER_DOCKER_MEMORY", "40m")
            refused(deployer("up", "half_plus_two:1", cwd=gated), 7)
        configure(gated, flags="file_system_poll_wait_seconds = 2")
        for version, code in ((3, 8), (4, 7), (5, 8)):
            refused(deployer("redeploy", "--version", str(version), cwd=gated), code)
        while_answering(seen, (VERSION_1, VERSION_2), gated, "redeploy", "--version", "1")
        seen.may_be(VERSION_1)
        seen.enough(100)
        while_answering(seen, (VERSION_1, VERSION_2), gated, "rollback")
        seen.may_be(VERSION_2)
        configure(gated, flags="file_system_poll_wait_seconds = 2", gateway="max_connections = 500")
        changed = while_answering(seen, (VERSION_2,), gated, "up", "half_plus_two:2")
        assert changed["plan"]["change"] == "gateway"
        seen.enough(max(100, TEN_THOUSAND - seen.count), 300)
    seen.check({VERSION_1, VERSION_2}, TEN_THOUSAND)
    assert servers() == [NAME]
    assert inspect(NAME)["Config"]["Image"] == another_image
    assert deployer("down", cwd=gated).code == 0
    assert not listens(int(first["endpoints"]["rest"].rpartition(":")[2]))
    assert state_left(gated) == []


def while_answering(seen, answers, project, *arguments):
    """What a good command says, while these may be answered."""
    seen.may_be(*answers)
    ended = deployer(*arguments, "--json", "-q", cwd=project)
    assert ended.code == 0, ended.err
    return ended.json


@pytest.mark.usefixtures("quick")
def test_gateway_and_server_come_back_from_whatever_ends_them(gated):
    first = up(gated, "half_plus_two:1")
    ask = rest_client(first["endpoints"])
    for harm in (
        lambda: docker("restart", GATEWAY),
        lambda: os.kill(inspect(GATEWAY)["State"]["Pid"], signal.SIGKILL),
        lambda: docker("restart", NAME),
    ):
        harm()
        eventually(lambda: answers(ask), "it answers again")
    for harm in (("stop", "--time", "20", GATEWAY), ("rm", "--force", GATEWAY)):
        docker(*harm)
        if harm[0] == "stop":
            assert "its gateway is not running" in deployer("status", cwd=gated).err
        heading = "RECOVER" if harm[0] == "stop" else "GATEWAY"
        assert deployer("plan", "half_plus_two:1", cwd=gated).out.startswith(f"{heading} half_plus_two")
        assert up(gated, "half_plus_two:1")["endpoints"] == first["endpoints"]
        assert rest_client(first["endpoints"])() == VERSION_1
    assert deployer("status", cwd=gated).out.count("docker, gateway") == 1
    assert NAME in servers()
    assert deployer("logs", cwd=gated).code == 0

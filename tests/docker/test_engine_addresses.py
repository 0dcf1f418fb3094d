"""Which engine is meant: DOCKER_HOST, `docker context`, the usual socket; and one that cannot be used is told why."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cli import ANY_PORTS, Ended, command, environment
from support.containers import inspect
from support.deploying import NAME, ask, deployer, refused, up
from support.relay import LocalRelay, local, relayed, remote

from deployer.engines.docker.api import connect
from deployer.errors import EngineUnavailable

BLIND = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
"""Before a command: root without root's pass through permissions."""


@pytest.fixture
def short() -> Iterator[Path]:
    """A directory whose path leaves room for a socket's name."""
    with tempfile.TemporaryDirectory(prefix="deployer-") as directory:
        yield Path(directory)


@pytest.fixture
def relay(short: Path) -> Iterator[LocalRelay]:
    """The engine at another socket; it counts who comes."""
    with relayed(local(short / "engine.sock")) as server:
        yield server


def docker_settings(directory: Path, *arguments: str) -> None:
    settings = {**os.environ, "DOCKER_CONFIG": str(directory)}
    settings.pop("DOCKER_HOST", None)
    subprocess.run(["docker", *arguments], env=settings, capture_output=True, timeout=60, check=True)


def test_docker_host_names_the_engine(quick, relay, monkeypatch):
    with monkeypatch.context() as changed:
        changed.setenv("DOCKER_HOST", f"unix://{relay.server_address}")
        assert up(quick, "half_plus_two:1", *ANY_PORTS)["engine"] == "docker"
    assert relay.connections > 0
    assert deployer("status", "--json", cwd=quick).json["deployments"][0]["healthy"]


def test_the_current_context_names_the_engine(quick, relay, short, monkeypatch):
    docker_settings(short, "context", "create", "near", "--docker", f"host=unix://{relay.server_address}")
    docker_settings(short, "context", "use", "near")
    with monkeypatch.context() as changed:
        changed.delenv("DOCKER_HOST", raising=False)
        changed.setenv("DOCKER_CONFIG", str(short))
        assert up(quick, "half_plus_two:1", *ANY_PORTS)["report"]["ok"]
    assert relay.connections > 0


def test_docker_context_names_the_engine(project, relay, short, monkeypatch):
    docker_settings(short, "context", "create", "near", "--docker", f"host=unix://{relay.server_address}")
    with monkeypatch.context() as changed:
        changed.delenv("DOCKER_HOST", raising=False)
        changed.setenv("DOCKER_CONFIG", str(short))
        changed.setenv("DOCKER_CONTEXT", "near")
        assert deployer("status", "--all", cwd=project).code == 0
        assert relay.connections > 0
        changed.setenv("DOCKER_CONTEXT", "far")
        refused(deployer("up", "half_plus_two:1", cwd=project), 6, "far", "hint: ")


def test_an_engine_behind_a_local_port_may_be_on_another_machine_and_gets_copies(project, short, monkeypatch):
    with relayed(remote()) as server, monkeypatch.context() as changed:
        address = f"tcp://127.0.0.1:{server.server_address[1]}"
        docker_settings(short, "context", "create", "far", "--docker", f"host={address}")
        docker_settings(short, "context", "use", "far")
        changed.delenv("DOCKER_HOST", raising=False)
        changed.setenv("DOCKER_CONFIG", str(short))
        assert up(project, "half_plus_two:1", *ANY_PORTS)["report"]["ok"]
        (mount,) = inspect(NAME)["Mounts"]
        assert (mount["Type"], mount["RW"]) == ("volume", False)
        assert deployer("down", "half_plus_two", cwd=project).code == 0


def test_an_engine_that_is_off_is_reported_with_what_to_do(project, short, monkeypatch):
    with monkeypatch.context() as changed:
        changed.setenv("DOCKER_HOST", f"unix://{short}/none.sock")
        refused(deployer("up", "half_plus_two:1", cwd=project), 6, "cannot be reached", "unset DOCKER_HOST")
        doctor = deployer("doctor", cwd=project)
        assert (doctor.code, "unset DOCKER_HOST" in doctor.out) == (6, True)


def blind(*arguments: str, cwd: Path, host: str) -> Ended:
    """As somebody whom permissions keep out."""
    ended = subprocess.run(
        [*BLIND, *command(*arguments)],
        cwd=cwd,
        env=environment(DEPLOYER_ENGINE="docker", DOCKER_HOST=host),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def test_a_socket_that_this_user_may_not_open_is_reported(project, relay, short):
    Path(relay.server_address).chmod(0)
    host = f"unix://{relay.server_address}"
    ended = blind("up", "half_plus_two:1", cwd=project, host=host)
    refused(ended, 6, "this user may not open its socket", "join the docker group")
    assert "Traceback" not in ended.err
    doctor = blind("doctor", cwd=project, host=host)
    assert (doctor.code, "this user may not open its socket" in doctor.out) == (6, True)
    assert relay.connections == 0


def test_a_socket_that_says_nothing_is_given_up(short):
    """Something listens there, and it is no engine."""
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(short / "silent.sock"))
        silent.listen()
        with pytest.raises(EngineUnavailable, match=r"within 0\.5 s") as caught:
            connect(f"unix://{short}/silent.sock", seconds=0.5)
    assert "docker info" in caught.value.hint


HOSTS = """
[models.half_plus_two]
[env.staging.docker]
host = "unix://{near}"
[env.staging.models.half_plus_two]
versions = [1]
[env.production.docker]
host = "{far}"
"""


def test_an_environment_may_have_an_engine_of_its_own(quick, relay):
    """All of them are in one table, and go with one command; here both addresses lead to one engine."""
    (quick / "deployer.toml").write_text(HOSTS.format(near=relay.server_address, far=f"unix://{relay.server_address}"))
    local = up(quick, *ANY_PORTS)
    assert relay.connections == 0
    staging = up(quick, "--env", "staging", *ANY_PORTS)
    assert relay.connections > 0
    assert (ask(local["endpoints"], 2.0), ask(staging["endpoints"], 2.0)) == (5.0, 3.0)  # of versions 3 and 1
    found = deployer("status", "--all", "--json", cwd=quick).json["deployments"]
    assert [each["deployment"]["env"] for each in found] == ["local", "staging"]
    assert all(each["healthy"] for each in found)
    assert deployer("down", "--all", cwd=quick).code == 0
    assert deployer("status", "--all", "--json", cwd=quick).json["deployments"] == []


def test_an_environment_on_another_machine_is_refused_without_tls(project, relay):
    (project / "deployer.toml").write_text(HOSTS.format(near=relay.server_address, far="tcp://192.0.2.1:2376"))
    refused(deployer("up", "--env", "production", cwd=project), 6, "tcp://192.0.2.1:2376", "without TLS")
    (project / "deployer.toml").unlink()


@pytest.mark.parametrize("host", ["", "docker.sock", "unix:// x", "UNIX:///x"])
def test_an_address_that_is_none_is_refused(project, monkeypatch, host):
    monkeypatch.setenv("DEPLOYER_DOCKER_HOST", host)
    refused(deployer("up", "half_plus_two:1", cwd=project), 3, "docker host")
    monkeypatch.delenv("DEPLOYER_DOCKER_HOST")


def test_an_engine_that_does_not_answer_keeps_no_other_from_being_shown_and_taken_down(quick, short):
    (quick / "deployer.toml").write_text(HOSTS.format(near=f"{short}/none.sock", far=f"unix://{short}/no-more.sock"))
    up(quick, *ANY_PORTS)
    shown = deployer("status", "--all", cwd=quick)
    refused(shown, 6, f"{short}/none.sock", "cannot be reached", f"{short}/no-more.sock", "take docker.host out")
    assert [line.split()[1:3] for line in shown.out.splitlines()[1:]] == [["half_plus_two", "local"]]
    asked = deployer("status", "--all", "--json", cwd=quick)
    assert asked.code == asked.json["error"]["code"] == 6
    assert [found["healthy"] for found in asked.json["deployments"]] == [True]
    gone = deployer("down", "--all", "--json", cwd=quick)
    assert (gone.code, gone.json["deployments"][0]["env"]) == (6, "local")
    refused(deployer("status", "--all", cwd=quick), 6, "none.sock", "cannot be reached")
    (quick / "deployer.toml").unlink()

"""Which engines a verb looks at: what was asked for is never left out, and what is left out is told with its reason."""

from __future__ import annotations

import socket
from types import SimpleNamespace

import pytest

from deployer import engines
from deployer.config.options import Settings as Given
from deployer.config.spec import Docker, Spec
from deployer.engines.docker import api, context
from deployer.engines.port_holders import PortHolder
from deployer.errors import EngineError, EngineUnavailable
from deployer.rollout import preflight
from deployer.rollout.workspace import Workspace, open_workspace


@pytest.fixture(autouse=True)
def no_docker(monkeypatch, tmp_path):
    """A machine without Docker, and a user without contexts."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DEPLOYER_ENGINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(context, "DEFAULT_ADDRESS", f"unix://{tmp_path}/docker.sock")
    monkeypatch.chdir(tmp_path)


def names(found: engines.EngineSelection) -> list[str]:
    return [engine.traits.name for engine in found.engines]


def test_without_docker_auto_is_the_embedded_engine_and_says_why():
    found = engines.select_engines(Spec())
    assert names(found) == ["embedded"]
    assert found.docker_problem == "Docker is not installed"


def test_docker_that_is_installed_and_not_running_is_distinguished(tmp_path):
    (tmp_path / "dockerd").touch(0o755)
    assert "installed and not running" in engines.select_engines(Spec()).docker_problem


def test_a_socket_that_nobody_answers_is_reported(tmp_path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "docker.sock"))
    found = engines.select_engines(Spec())
    assert (names(found), "Connection refused" in found.docker_problem) == (["embedded"], True)


def test_a_socket_that_this_user_may_not_open_is_reported(tmp_path, monkeypatch):
    (tmp_path / "docker.sock").touch()
    monkeypatch.setattr("os.access", lambda *_: False)
    found = engines.select_engines(Spec())
    assert (names(found), "may not open" in found.docker_problem) == (["embedded"], True)


@pytest.mark.parametrize(
    ("variable", "value", "error"),
    [
        ("DOCKER_HOST", "ssh://u@h", EngineUnavailable),
        ("DOCKER_HOST", "tcp://192.0.2.1:2375", EngineUnavailable),
        ("DOCKER_HOST", "unix:///nowhere.sock", EngineUnavailable),
        ("DOCKER_CONTEXT", "gone", EngineUnavailable),
    ],
)
def test_an_engine_that_a_variable_asks_for_is_never_replaced(monkeypatch, variable, value, error):
    monkeypatch.setenv(variable, value)
    found = engines.select_engines(Spec())
    assert (names(found), found.docker_problem) == (["docker", "embedded"], "")
    with pytest.raises(error) as refused:
        found.engines[0].inventory.names()
    assert value in refused.value.message
    assert variable in f"{refused.value.message} {refused.value.hint}"
    assert refused.value.exit_code == 6


def test_nor_is_one_that_the_document_or_the_current_context_asks_for(monkeypatch, tmp_path):
    asked = engines.select_engines(Spec(docker=Docker(host="unix:///nowhere.sock")))
    with pytest.raises(EngineUnavailable, match=r"docker\.host"):
        asked.engines[0].inventory.names()
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "config.json").write_text('{"currentContext": "far"}')
    with pytest.raises(EngineUnavailable, match="'far'"):
        engines.select_engines(Spec()).engines[0].inventory.names()


def test_an_engine_that_was_named_is_the_only_one():
    assert names(engines.select_engines(Spec(engine="embedded"))) == ["embedded"]
    assert names(engines.select_engines(Spec(engine="docker"))) == ["docker"]
    assert engines.select_engines(Spec(engine="embedded")).docker_problem == ""


def test_engines_that_were_left_out_are_asked_for_a_moment(monkeypatch, tmp_path):
    assert engines.unselected_engines(Spec()) == engines.EngineSelection(())
    assert names(engines.unselected_engines(Spec(engine="docker"))) == ["embedded"]
    away = engines.unselected_engines(Spec(engine="embedded"))
    assert (names(away), away.docker_problem) == ([], "Docker is not installed")
    monkeypatch.setattr(engines, "SHORT_TIMEOUT_SECONDS", 0.2)
    with socket.socket(socket.AF_UNIX) as hanging:
        hanging.bind(str(tmp_path / "docker.sock"))
        hanging.listen()
        (docker,) = engines.unselected_engines(Spec(engine="embedded")).engines
        with pytest.raises(EngineUnavailable, match=r"0\.2 s"):
            docker.observe("m", "local")


def test_an_engine_that_hangs_keeps_no_deploy_on_another_one_waiting(monkeypatch, tmp_path):
    monkeypatch.setenv("DEPLOYER_PROJECT", "mine")
    (tmp_path / ".deployer" / "docker" / "local@mine" / "there" / "r1").mkdir(parents=True)
    workspace = open_workspace(Given(engine="embedded"))
    assert "not installed" in preflight.check_other_engines(workspace, "there").unchecked_engine
    assert preflight.check_other_engines(workspace, "another").unchecked_engine == ""


def test_what_chose_the_engine_is_known():
    assert context.choose(None, {"DOCKER_HOST": "x"}).source == "DOCKER_HOST"
    assert context.choose("unix:///x", {"DOCKER_HOST": "x"}).source == "docker.host"
    assert context.choose(None, {"DOCKER_HOST": "", "DOCKER_CONTEXT": "default"}).source == ""


def test_verbs_that_need_no_engine_ask_for_none(monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "ssh://u@h")
    assert isinstance(open_workspace(Given()), Workspace)


@pytest.mark.parametrize("place", ["local", "local@mine"])
def test_a_deployment_on_a_docker_engine_that_is_away_is_not_made_again_elsewhere(tmp_path, monkeypatch, place):
    monkeypatch.setenv("DEPLOYER_PROJECT", "mine")
    (tmp_path / ".deployer" / "docker" / place / "there" / "r1").mkdir(parents=True)
    (tmp_path / ".deployer" / "docker" / "local@others" / "another" / "r1").mkdir(parents=True)
    workspace = open_workspace(Given())
    with pytest.raises(EngineUnavailable, match="not installed"):
        workspace.for_deployment("there")
    assert workspace.for_deployment("another").engine.traits.name == "embedded"
    assert open_workspace(Given(engine="embedded")).for_deployment("there").engine.traits.name == "embedded"


def test_the_name_of_a_container_is_asked_for_where_only_dockers_proxy_is_seen(monkeypatch):
    blind = SimpleNamespace(
        inventory=SimpleNamespace(port_holder=lambda port: PortHolder(f"process {port} (docker-proxy)"))
    )

    def connect() -> None:
        raise EngineError("away")

    monkeypatch.setattr(api, "connect", connect)
    assert engines.port_holder(blind, 7).text == "process 7 (docker-proxy)"

"""Containers of a deployment that somebody has stopped or removed, and the next command."""

from __future__ import annotations

import pytest
from support.cli import ANY_PORTS
from support.containers import docker, inspect
from support.deploying import NAME, ask, deployer, up
from support.world import free_port

GATEWAY = f"{NAME}-gateway"


def with_gateway(monkeypatch, image, **settings):
    """Set variables for a gateway."""
    for name, value in {"enabled": "true", "image": image, **settings}.items():
        monkeypatch.setenv(f"DEPLOYER_GATEWAY_{name.upper()}", value)


def test_settings_of_a_gateway_outlive_its_container(project, gateway_image, monkeypatch):
    with monkeypatch.context() as given:
        with_gateway(given, gateway_image, tls="true", max_body="1m")
        first = up(project, "half_plus_two:1", *ANY_PORTS)
    for command in (("up", "half_plus_two:1"), ("redeploy", "--version", "2")):
        docker("rm", "--force", GATEWAY)
        changed = deployer(*command, "--json", "-q", cwd=project)
        assert changed.code == 0, changed.err
        assert changed.json["endpoints"] == first["endpoints"]
        assert changed.json["plan"]["steps"][0]["kind"] == "replace_gateway"
        assert any("gateway.tls true" in notice and "max_body 1m" in notice for notice in changed.json["notices"])
    assert deployer("smoke", cwd=project).code == 0
    assert up(project, "half_plus_two:2")["plan"]["change"] == "nothing"


def test_settings_of_a_server_outlive_its_container(quick, monkeypatch):
    first = up(quick, "half_plus_two:1", *ANY_PORTS, "--memory", "900m", "--user", "1003:1003")
    monkeypatch.delenv("DEPLOYER_DOCKER_IMAGE")
    docker("rm", "--force", NAME)
    changed = up(quick, "half_plus_two:2")
    assert (changed["plan"]["change"], changed["endpoints"]) == ("create", first["endpoints"])
    found = inspect(NAME)
    assert (found["HostConfig"]["Memory"], found["Config"]["User"]) == (900 << 20, "1003:1003")
    assert any("its container is gone" in notice and "memory 900m" in notice for notice in changed["notices"])


@pytest.mark.parametrize(
    "harm", [("rm", "--force", GATEWAY), ("stop", "--time", "20", GATEWAY), ("stop", "--time", "20", NAME)]
)
def test_a_gateway_is_disabled_though_a_container_is_stopped_or_gone(quick, gateway_image, monkeypatch, harm):
    ports = ("--rest-port", str(free_port()), "--grpc-port", str(free_port()))
    with_gateway(monkeypatch, gateway_image)
    first = up(quick, "half_plus_two:1", *ports)
    docker(*harm)
    monkeypatch.setenv("DEPLOYER_GATEWAY_ENABLED", "false")
    for _ in range(2):
        changed = up(quick, "half_plus_two:1")
        assert changed["endpoints"] == first["endpoints"]
        assert ask(changed["endpoints"], 2.0) == 3.0
    assert changed["plan"]["change"] == "nothing"
    (seen,) = deployer("status", "--json", cwd=quick).json["deployments"]
    assert (seen["healthy"], seen["deployment"]["gateway"]) == (True, None)


STOPPED = {"gateway": (GATEWAY,), "server": (NAME,), "both": (GATEWAY, NAME)}
CHANGES = {
    "nothing": {},
    "another gateway": {"DEPLOYER_GATEWAY_MAX_CONNECTIONS": "100"},
    "no gateway": {"DEPLOYER_GATEWAY_ENABLED": "false"},
    "another server": {"DEPLOYER_DOCKER_MEMORY": "900m"},
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("stopped", STOPPED)
def test_the_plan_after_containers_were_stopped_is_what_is_executed(quick, gateway_image, monkeypatch, stopped, change):
    with_gateway(monkeypatch, gateway_image, drain_seconds="2")
    first = up(quick, "half_plus_two:1", *ANY_PORTS, "--skip-gate")
    docker("stop", "--time", "20", *STOPPED[stopped])
    for name, value in CHANGES[change].items():
        monkeypatch.setenv(name, value)
    command = ("half_plus_two:1", "--skip-gate")
    planned = deployer("plan", *command, "--json", cwd=quick).json["plan"]
    shown = deployer("plan", *command, cwd=quick).out
    done = up(quick, *command)
    assert done["plan"]["steps"] == planned["steps"]
    assert done["plan"]["digest"] == planned["digest"]
    is_started = any("gateway" in text and "again" in text for text in planned["recovery"])
    assert is_started is (GATEWAY in STOPPED[stopped])
    assert any("the gateway takes requests again" in notice for notice in done["notices"]) is is_started
    assert "up to date" not in shown
    if change != "no gateway":
        assert done["endpoints"] == first["endpoints"]
    assert ask(done["endpoints"], 2.0) == 3.0


def test_the_command_that_starts_a_gateway_again_keeps_the_labels(project, gateway_image, monkeypatch):
    with_gateway(monkeypatch, gateway_image)
    up(project, "half_plus_two:1", *ANY_PORTS)
    assert deployer("label", "half_plus_two", "stable=1", cwd=project).code == 0
    docker("stop", "--time", "20", GATEWAY)
    (seen,) = deployer("status", "--json", cwd=project).json["deployments"]
    _, command, *arguments = seen["detail"].rpartition("not running: ")[2].removesuffix(" starts it").split()
    ended = deployer(command, *arguments, "--json", "-q", cwd=project)
    assert ended.code == 0, ended.err
    (seen,) = deployer("status", "--json", cwd=project).json["deployments"]
    assert (seen["healthy"], seen["deployment"]["models"][0]["labels"]) == (True, [["stable", 1]])


def test_a_removed_container_is_named_with_what_it_served_until_down_records_it(project):
    first = up(project, "half_plus_two:1", *ANY_PORTS)
    assert deployer("label", "half_plus_two", "stable=1", cwd=project).code == 0
    docker("rm", "--force", NAME)
    again = "deployer up half_plus_two:1"
    for command in ("predict", "smoke", "logs"):
        refused = deployer(command, "half_plus_two", cwd=project)
        assert (refused.code, again in refused.err) == (10, True), refused.err
    assert again in deployer("status", cwd=project).err
    planned = deployer("plan", "half_plus_two", "--json", cwd=project).json
    assert any("label stable" in notice for notice in planned["notices"])
    back = deployer("rollback", "half_plus_two", "--to", "2", "--json", "-q", cwd=project)
    assert (back.code, back.json["endpoints"]) == (0, first["endpoints"]), back.err
    docker("rm", "--force", NAME)
    assert deployer("down", "half_plus_two", cwd=project).code == 0
    assert deployer("history", "half_plus_two", "--json", cwd=project).json["releases"][0]["change"] == "remove"
    assert deployer("down", "half_plus_two", cwd=project).code == 10


def finding(project, port):
    """What `doctor` says of a port."""
    found = deployer("doctor", "--json", cwd=project).json["findings"]
    (one,) = [each for each in found if each["check"] == "ports" and str(port) in each["message"]]
    return one


def test_doctor_names_the_deployment_whose_gateway_is_left_without_a_server(quick, gateway_image, monkeypatch):
    rest, grpc = free_port(), free_port()
    with_gateway(monkeypatch, gateway_image)
    monkeypatch.setenv("DEPLOYER_SERVER_REST_PORT", str(rest))
    monkeypatch.setenv("DEPLOYER_SERVER_GRPC_PORT", str(grpc))
    up(quick, "half_plus_two:1")
    assert "is ours" in finding(quick, rest)["message"]
    docker("rm", "--force", NAME)
    for port in (rest, grpc):
        assert "the deployment half_plus_two [local]" in finding(quick, port)["message"]
    remedy = finding(quick, rest)["remedy"]
    assert remedy.startswith("deployer down half_plus_two ")
    assert deployer("down", "half_plus_two", cwd=quick).code == 0
    assert "is free" in finding(quick, rest)["message"]


@pytest.mark.parametrize("command", [("up", "half_plus_two:1"), ("rollback", "half_plus_two", "--to", "1"), ("plan",)])
@pytest.mark.parametrize("enabled", ["true", "false"])
def test_a_gateway_that_is_left_without_a_server_gives_its_ports_back(
    quick, gateway_image, monkeypatch, command, enabled
):
    ports = ("--rest-port", str(free_port()), "--grpc-port", str(free_port()))
    with_gateway(monkeypatch, gateway_image)
    first = up(quick, "half_plus_two:1", *ports)
    docker("rm", "--force", NAME)
    monkeypatch.setenv("DEPLOYER_GATEWAY_ENABLED", enabled)
    if command == ("plan",):
        planned = deployer("plan", "half_plus_two:1", "--json", cwd=quick)
        assert (planned.code, "is taken by" in planned.out) == (0, False), planned.out
        return
    changed = deployer(*command, "--json", "-q", cwd=quick)
    assert (changed.code, changed.json["endpoints"]) == (0, first["endpoints"]), changed.err
    assert any("left without a server" in notice for notice in changed.json["notices"])
    assert ask(changed.json["endpoints"], 2.0) == 3.0

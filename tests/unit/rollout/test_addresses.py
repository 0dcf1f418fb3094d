"""What of a deployment's address stays, and who reaches it."""

from __future__ import annotations

import dataclasses
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.memory.project import NAME
from support.world import free_port

from deployer.config.options import Settings
from deployer.config.spec import Server, Spec
from deployer.errors import PortTaken
from deployer.operations.up import up
from deployer.results.deployment import Deployment, Endpoints
from deployer.rollout.addresses import exposure, keep_host

DEPLOYED = Deployment(
    "m", "local", "embedded", "r1", "serving", (), Endpoints("", ""), 8501, 8500, "", "", True, 1, Path(),
    host="127.0.0.1",
)  # fmt: skip


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", ""])
def test_loopback_is_reached_by_this_machine_alone(host):
    assert exposure(host, tls=False, tokens=False) == ""


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "2001:db8::1", "localhost"])
def test_any_other_address_is_said_with_what_guards_it(host):
    """A name was taken by earlier releases: Docker published it on every interface."""
    assert "no TLS, no token" in exposure(host, tls=False, tokens=False)
    assert exposure(host, tls=True, tokens=False).endswith(": no token")
    assert exposure(host, tls=True, tokens=True).endswith(": with TLS and tokens")


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_every_address_is_of_the_machine_of_the_server(host):
    assert "every address of this machine" in exposure(host, tls=False, tokens=False)
    assert "every address of prod.example:" in exposure(host, tls=False, tokens=False, machine="prod.example")


def test_an_address_stays_unless_a_setting_says_another():
    there = dataclasses.replace(DEPLOYED, host="0.0.0.0")
    assert keep_host(Spec(), there).server.address == "0.0.0.0"
    assert keep_host(Spec(server=Server(host="127.0.0.1")), there).server.address == "127.0.0.1"
    assert keep_host(Spec(), None).server.address == "127.0.0.1"


@pytest.mark.parametrize(("before", "now"), [("localhost", "127.0.0.1"), ("", "127.0.0.1"), ("127.1", "127.0.0.1")])
def test_an_address_that_is_refused_today_is_not_keep_host(before, now):
    assert keep_host(Spec(), dataclasses.replace(DEPLOYED, host=before)).server.address == now


@pytest.mark.parametrize("way", ["options", "settings"])
@pytest.mark.parametrize("taken", [("rest",), ("grpc",), ("rest", "grpc")], ids=" ".join)
def test_every_port_that_is_taken_is_named(project, way, taken):
    project.up()
    with ExitStack() as stack:
        held = {name: stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for name in taken}
        given = {f"{name}_port": held.get(name, free_port()) for name in ("rest", "grpc")}
        with pytest.raises(PortTaken) as error:
            project.up(f"{NAME}:2", **given) if way == "options" else project.redeploy(2, **given)
    form = "--{}-port 0" if way == "options" else "server.{}_port = 0"
    named = [name for name in ("rest", "grpc") if form.format(name) in error.value.hint]
    assert named == list(taken)


FREE = "--rest-port 0 takes any free port"
TOP = "[server]\nrest_port = {}\ngrpc_port = 0\n"


@pytest.mark.parametrize(
    ("document", "given", "says"),
    [
        (TOP, {}, ("server.rest_port in deployer.toml sets it", FREE)),
        (
            f"{TOP}[env.staging]\n", {"env": "staging"},
            ("server.rest_port in deployer.toml sets it, and [env.staging] ", "set rest_port in [env.staging.server]"),
        ),
        (
            "[server]\nrest_port = 1\n[env.staging.server]\nrest_port = {}\n", {"env": "staging"},
            ("env.staging.server.rest_port in deployer.toml sets it", FREE),
        ),
        ("[env.staging]\n", {"env": "staging", "rest_port": "{}"}, ("--rest-port sets it", FREE)),
        ("", {"DEPLOYER_SERVER_REST_PORT": "{}"}, ("DEPLOYER_SERVER_REST_PORT sets it", FREE)),
    ],
)  # fmt: skip
def test_what_sets_a_port_that_is_taken_is_named(project, monkeypatch, document, given, says):
    origin, way = says
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        (project.directory / "deployer.toml").write_text(document.format(port))
        options = {name: port if name == "rest_port" else value for name, value in given.items() if name.islower()}
        for name in given.keys() - options:
            monkeypatch.setenv(name, str(port))
        with pytest.raises(PortTaken) as error:
            up(f"{NAME}:1", settings=Settings(engine="embedded", **options), dry_run=True)
    assert error.value.message.startswith(f"port {port} on 127.0.0.1 is taken by process ")
    assert origin in error.value.message
    assert str(error.value) == error.value.message
    assert str(error.value.hint).startswith(way)
    assert "shows the deployment" not in str(error.value.hint)


@pytest.mark.parametrize(
    ("in_file", "says"), [("free", "goes back to it"), ("taken", "fails: port {} "), ("own", ""), ("zero", "")]
)
def test_the_next_command_goes_back_to_a_port_only_if_it_is_free(project, in_file, says):
    with socket.create_server(("127.0.0.1", 0)) as holder:
        given = free_port()
        port = {"free": free_port(), "taken": holder.getsockname()[1], "own": given, "zero": 0}[in_file]
        (project.directory / "deployer.toml").write_text(TOP.format(port))
        result = up(f"{NAME}:1", settings=Settings(engine="embedded", rest_port=given), dry_run=True)
    notices = [text for text in result.notices if "the next command without --rest-port" in text]
    assert [says.format(port) in text for text in notices] == [True] * bool(says)

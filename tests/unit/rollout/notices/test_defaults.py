"""Notices about what a deploy chose: the ports, the address, the image."""

from __future__ import annotations

import dataclasses
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deployer.config.options import Settings
from deployer.config.origins import Origins
from deployer.config.spec import Docker, Gateway, Server, Spec
from deployer.engines.base import Address
from deployer.engines.port_holders import PortHolder
from deployer.errors import PortTaken
from deployer.results.deployment import Deployment, Endpoints
from deployer.results.launch import Launch, Rendered
from deployer.rollout.notices.defaults import notices
from deployer.rollout.workspace import Workspace

LAUNCH = Launch("m", "local", "127.0.0.1", None, None, (), (), "/models", Rendered({}))
DEPLOYED = Deployment(
    "m", "local", "embedded", "r1", "serving", (), Endpoints("", ""), 8501, 8500, "", "", True, 1, Path(),
    host="127.0.0.1",
)  # fmt: skip


def engine(name: str) -> Any:
    """An engine that knows who has a port, and on which every port is free."""
    inventory = SimpleNamespace(port_holder=lambda port: PortHolder(f"the holder of {port}"))
    preflight = SimpleNamespace(address=lambda *_: None)
    traits = SimpleNamespace(
        name=name, id="the engine's", project="unit", state_dir=Path(), replicated=False, machine="", in_image=False
    )
    return SimpleNamespace(traits=traits, inventory=inventory, preflight=preflight)


def workspace(docker_problem: str = "", **spec: object) -> Workspace:
    return Workspace(Spec(**spec), (engine("embedded"),), Settings(), docker_problem)


@pytest.mark.parametrize(
    ("asked", "before", "got", "said"),
    [
        (None, None, 8501, None), (None, None, 40000, 8501), (0, None, 40000, None), (40000, None, 40000, None),
        (None, 40000, 40000, None), (None, 40000, 8501, 40000), (None, 40000, 41000, 40000),
    ],
)  # fmt: skip
def test_a_port_that_was_not_asked_for_is_said_with_the_holder_of_the_expected_one(asked, before, got, said):
    launch = dataclasses.replace(LAUNCH, rest_port=asked)
    observed = None if before is None else dataclasses.replace(DEPLOYED, rest_port=before)
    found = notices(workspace(), launch, observed, dataclasses.replace(DEPLOYED, rest_port=got))
    expected = () if said is None else (f"port {said} is taken by the holder of {said}: using {got}",)
    assert found == expected


@pytest.mark.parametrize(
    ("origins", "asked", "got", "noted"),
    [
        (Origins(options={"server.rest_port": "--rest-port"}), 0, 9702, True),
        (Origins(options={"server.rest_port": "--rest-port"}), 0, None, True),
        (Origins(options={"server.rest_port": "--rest-port"}), 0, 9703, False),
        (Origins(options={"server.rest_port": "--rest-port"}), 9702, 9702, False),
        (Origins(variables={"server.rest_port": "DEPLOYER_SERVER_REST_PORT"}), 0, 9702, True),
        (Origins("deployer.toml", {"server.rest_port": 0}), 0, 9702, False),
        (Origins(), None, 9702, False),
    ],
)
def test_a_port_that_stays_though_any_was_asked_for_is_noted(origins, asked, got, noted):
    launch = dataclasses.replace(LAUNCH, rest_port=asked)
    before = dataclasses.replace(DEPLOYED, rest_port=9702)
    after = None if got is None else dataclasses.replace(DEPLOYED, rest_port=got)
    found = notices(dataclasses.replace(workspace(), origins=origins), launch, before, after)
    assert [text for text in found if "keeps REST port 9702" in text] == list(found)
    assert bool(found) is noted


@pytest.mark.parametrize("got", [9702, None], ids=["up", "plan"])
@pytest.mark.parametrize(("of_file", "notes"), [(9702, ["keeps REST port 9702"]), (9703, ["keeps", "goes back to it"])])
def test_a_port_of_the_file_that_stays_is_not_said_to_come_back_later(of_file, notes, got):
    launch = dataclasses.replace(LAUNCH, rest_port=0)
    origins = Origins("deployer.toml", {"server.rest_port": of_file}, options={"server.rest_port": "--rest-port"})
    chosen = dataclasses.replace(workspace(name="m", server=Server(rest_port=0)), origins=origins)
    before = dataclasses.replace(DEPLOYED, rest_port=9702)
    after = None if got is None else dataclasses.replace(DEPLOYED, rest_port=got)
    found = notices(chosen, launch, before, after)
    assert [note in text for note, text in zip(notes, found, strict=True)] == [True] * len(notes)


def test_a_plan_says_that_a_port_is_taken():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        before = dataclasses.replace(DEPLOYED, rest_port=port)
        assert notices(workspace(), LAUNCH, before, None) == ()  # it has that port itself


@pytest.mark.parametrize("taken", [(), (8501,), (8500, 8501)])
def test_the_engine_says_which_ports_of_its_machine_are_taken(taken):
    """The ports of this machine are not those of an engine elsewhere."""

    def address(_: str, __: str, wanted: Address) -> None:
        if wanted.grpc_port in taken:
            raise PortTaken("by something there", port=wanted.grpc_port)

    elsewhere = engine("docker")
    elsewhere.preflight.address = address
    found = notices(dataclasses.replace(workspace(name="m"), engines=(elsewhere,)), LAUNCH, None, None)
    assert sorted(found) == [f"port {each} is taken by the holder of {each}: using a free one" for each in taken]


def test_a_gateway_guards_only_when_it_is_enabled():
    opened = dataclasses.replace(LAUNCH, host="0.0.0.0")
    guarded = workspace(gateway=Gateway(enabled=True, tls=True, tokens=Path("tokens")))
    off = workspace(gateway=Gateway(enabled=False, tls=True, tokens=Path("tokens")))
    there = dataclasses.replace(DEPLOYED, host="0.0.0.0")
    assert notices(guarded, opened, there, there)[0].endswith("with TLS and tokens")
    assert notices(off, opened, there, there)[0].endswith("no TLS, no token")


def test_another_address_is_said():
    (said,) = notices(workspace(), LAUNCH, dataclasses.replace(DEPLOYED, host="0.0.0.0"), DEPLOYED)
    assert "0.0.0.0" in said
    assert "127.0.0.1" in said


def test_a_deployment_from_another_directory_of_the_project_is_said(tmp_path):
    here, elsewhere = tmp_path / "a" / "models", tmp_path / "b" / "models"
    found = notices(workspace(models_dir=here), LAUNCH, dataclasses.replace(DEPLOYED, store=elsewhere), None)
    assert [str(elsewhere) in text for text in found] == [True]
    assert notices(workspace(models_dir=here), LAUNCH, dataclasses.replace(DEPLOYED, store=here), None) == ()


@pytest.mark.parametrize(
    ("origins", "said"),
    [
        (Origins("deployer.toml", {"docker.image": "serving:1"}), "as docker.image in deployer.toml says"),
        (Origins(variables={"docker.image": "DEPLOYER_DOCKER_IMAGE"}), "as DEPLOYER_DOCKER_IMAGE says"),
        (Origins(options={"docker.image": "--image"}), "as --image says"),
        (Origins(), "the default"),
    ],
)
def test_another_image_is_said_with_what_sets_it(origins, said):
    changed = dataclasses.replace(workspace(docker=Docker(image="serving:1")), origins=origins)
    (text,) = notices(changed, LAUNCH, dataclasses.replace(DEPLOYED, image_name="serving:0"), DEPLOYED)
    assert said in text


@pytest.mark.parametrize(("before", "said"), [("", []), ("serving:1", []), ("serving:0", ["serving:0", "serving:1"])])
def test_another_image_is_said_with_both_names(before, said):
    changed = Workspace(Spec(engine="docker", docker=Docker(image="serving:1")), (engine("docker"),), Settings())
    found = notices(changed, LAUNCH, dataclasses.replace(DEPLOYED, image_name=before), DEPLOYED)
    assert [all(name in text for name in said) for text in found] == [True] * bool(said)

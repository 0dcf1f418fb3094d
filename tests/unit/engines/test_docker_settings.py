"""Which settings of the Docker engine make another server, and which do not."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from deployer.engines import ENGINES
from deployer.engines.docker.engine import DockerEngine
from deployer.spec import Docker, Server, Spec


def engine(**settings) -> DockerEngine:
    return DockerEngine(Path("state"), Path("models"), Docker(**settings))


@pytest.mark.parametrize("settings", [{"host": "unix:///elsewhere.sock"}, {"pull_seconds": 1.0}])
def test_how_a_container_is_made_makes_no_other_server(settings):
    assert engine(**settings).traits() == engine().traits()


@pytest.mark.parametrize(
    "settings", [{"image": "a:1"}, {"memory": "1g"}, {"environment": {"A": "1"}}, {"restart": "no"}]
)
def test_what_a_container_is_makes_another_server(settings):
    assert engine(**settings).traits() != engine().traits()


@pytest.mark.parametrize(
    ("memory", "number"), [(None, None), ("7", 7), ("7b", 7), ("7k", 7 << 10), ("7M", 7 << 20), ("2g", 2 << 30)]
)
def test_a_memory_limit_is_a_number_of_bytes(memory, number):
    assert Docker(memory=memory).memory_bytes == number


def test_an_engines_place_is_its_address():
    assert engine(host="unix:///elsewhere.sock").place == "unix:///elsewhere.sock"


@pytest.mark.parametrize(("flags", "cors"), [({}, False), ({"rest_api_enable_cors_support": True}, True)])
def test_the_gateway_lets_scripts_ask_where_the_server_does(flags, cors):
    spec = dataclasses.replace(Spec(), server=Server(flags=flags))
    assert ENGINES["docker"](spec).cors is cors

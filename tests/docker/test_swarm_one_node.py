"""A Swarm of one node needs no registry: the image with the models stays on the engine that built it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.cli import ANY_PORTS
from support.own_engine import OwnEngine, can_be_had, own_engine
from support.quick_server import quick_server
from support.stores import copy_store

NAME = "half_plus_two"
ASK = ("predict", NAME, "--input", '{"instances": [2.0]}', "--json")
SETTINGS = """
project = "one"
engine = "swarm"
docker.image = "{server}"
gateway.image = "{gateway}"
gate.skip = true
swarm = {{ drain_seconds = 1, monitor_seconds = 1 }}
"""


@pytest.fixture
def engine(gateway_image: str) -> Iterator[OwnEngine]:
    if not can_be_had():
        pytest.skip("an engine of one's own takes root and dockerd")
    directory = Path(tempfile.mkdtemp(prefix="deployer-engine-"))  # a socket's path must be short
    with own_engine(directory) as made:
        made.load(quick_server(gateway_image))
        made.load(gateway_image)
        made.docker("swarm", "init", "--advertise-addr", "127.0.0.1")
        yield made


def test_images_stay_on_the_node_and_are_deployed_by_their_ids(
    engine: OwnEngine, store: Path, gateway_image: str, tmp_path: Path
) -> None:
    copy_store(store, tmp_path)
    (tmp_path / "deployer.toml").write_text(SETTINGS.format(server=quick_server(gateway_image), gateway=gateway_image))

    def done(*arguments: str) -> Any:
        ended = engine.deployer(*arguments, "--engine", "swarm", cwd=tmp_path)
        assert ended.code == 0, ended.err + ended.out
        return json.loads(ended.out)

    findings = done("doctor", "--json")["findings"]
    assert [each["message"] for each in findings if each["check"] == "registry"] == [
        "none is needed: the Swarm has one node, which has the image"
    ]
    first = done("up", f"{NAME}:1", *ANY_PORTS, "--json")
    assert done("redeploy", NAME, "--version", "2", "--json")["endpoints"] == first["endpoints"]
    assert done(*ASK)["predictions"] == [4.0]
    (found,) = done("status", "--json")["deployments"]
    images = engine.docker("images", "--no-trunc", "--format", "{{.ID}} {{.Repository}}").splitlines()
    assert (found["healthy"], f"{found['deployment']['image_name']} one/{NAME}" in images) == (True, True)
    done("down", NAME, "--json")
    assert engine.docker("service", "ls", "--quiet") == ""

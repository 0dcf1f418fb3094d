"""Who holds a port: a deployment is known by more than a text."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from support.world import free_port

from deployer.engines import port_holders
from deployer.engines.docker import placement
from deployer.engines.port_holders import PortHolder


def test_nobody_holds_a_free_port():
    assert port_holders.process_holder(free_port()) == PortHolder("another process")


@pytest.mark.parametrize(
    ("directory", "text", "project"),
    [
        ("{}/run/local@q/m/r1", "the deployment m [local] of project q", "q"),
        ("{}/run/local/m/r1", "the deployment m [local]", ""),
    ],
)
@pytest.mark.parametrize("exists", [True, False])
def test_a_server_of_ours_is_named_by_its_deployment(tmp_path, directory, text, project, exists):
    state_dir = tmp_path if exists else tmp_path / "gone"
    found = port_holders._embedded_deployment(
        ["python", "-m", "deployer.server", f"--run_dir={directory.format(state_dir)}"]
    )
    assert found == PortHolder(text, "m", "local", project, "embedded", state_dir if exists else None)


@pytest.mark.parametrize("arguments", [["python", "-m", "http.server"], ["--run_dir=/elsewhere"], ["--run_dir="], []])
def test_other_programs_are_no_deployments(arguments):
    assert port_holders._embedded_deployment(arguments) is None


def listed(labels: dict[str, str]) -> Any:
    """A Docker client whose engine lists one container for each question."""
    answer = {"Id": "1", "Names": ["/other"], "Labels": labels, "State": "running"}
    return SimpleNamespace(api=SimpleNamespace(containers=lambda filters: [answer] if "publish" in filters else []))


@pytest.mark.parametrize(
    ("labels", "state_dir"),
    [
        ({"deployer.folder": "{}/docker/local@q/m/r1"}, True),
        ({"deployer.gateway": "{}/gateway/local@q/m"}, True),
        ({"deployer.folder": "{}/docker/local@q/m/r1", "deployer.gateway": "/x/gateway/local@q/m"}, True),
        ({"deployer.folder": "/gone/docker/local@q/m/r1"}, False),
        ({"deployer.folder": "a/b"}, False),
        ({}, False),
    ],
)
def test_a_container_of_ours_is_named_by_its_labels(tmp_path, labels, state_dir):
    labels = {name: value.format(tmp_path) for name, value in labels.items()}
    labels |= {"deployer.name": "m", "deployer.env": "local", "deployer.project": "q"}
    found = placement.port_publisher(listed(labels), 7)
    text = "the deployment m [local] of project q"
    assert found == PortHolder(text, "m", "local", "q", "docker", tmp_path if state_dir else None)


def test_another_container_is_named_by_its_name():
    assert placement.port_publisher(listed({}), 7) == PortHolder("the container other")

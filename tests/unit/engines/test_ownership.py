"""Whose a container is: labels count where they agree with one another, with its name and with its folders."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from deployer.engines.docker.inspection import ContainerSummary
from deployer.engines.docker.listing import servers
from deployer.engines.docker.ownership import Ownership, project_of
from deployer.engines.docker.state import DockerState

STATE = Path("/work/.deployer")
HERE = Ownership("shop", STATE)
RELEASE = "20260101-000000-000000001-abcd"
LABELS = {
    "project": "shop",
    "name": "digits",
    "env": "local",
    "release": RELEASE,
    "folder": f"{STATE}/docker/local@shop/digits/{RELEASE}",
    "host": "127.0.0.1",
    "models": '[["digits", [1], [], ["d"]]]',
    "digest": "d",
    "rest_port": "1",
    "grpc_port": "2",
    "own_rest_port": "1",
    "own_grpc_port": "2",
}
GATEWAY = {
    "project": "shop",
    "name": "digits",
    "env": "local",
    "generation": "g",
    "gateway": f"{STATE}/gateway/local@shop/digits",
    "gateway_digest": "d",
    "host": "127.0.0.1",
    "rest_port": "1",
    "grpc_port": "2",
}
NAME = "deployer-shop.local-digits"
BEFORE = {**LABELS, "project": None, "folder": f"{STATE}/docker/local/digits/{RELEASE}"}
"""From a release of the tool that knew no projects."""


def listed(name: str = NAME, labels: Mapping[str, Any] = LABELS, **changed: str | None) -> ContainerSummary:
    said = {f"deployer.{key}": value for key, value in {**labels, **changed}.items() if value is not None}
    return ContainerSummary.parse({"Id": name, "Names": [f"/{name}"], "Labels": said, "State": "running"})


def owned(found: ContainerSummary, project: str = "shop", state_dir: Path = STATE) -> bool:
    return DockerState(None, state_dir, project).owns(found)


@pytest.mark.parametrize("name", [NAME, f"{NAME}-candidate-{RELEASE}", f"{NAME}-retiring-{RELEASE}"])
def test_a_server_of_the_project_is_its_own_from_any_working_copy(name):
    assert owned(listed(name))
    assert owned(listed(name), state_dir=Path("/other/.deployer"))
    assert not owned(listed(name), "other")
    assert not owned(listed(name), "")
    assert project_of(listed(name)) == "shop"


def test_so_is_a_gateway():
    assert owned(listed(f"{NAME}-gateway", GATEWAY))
    assert not owned(listed(f"{NAME}-gateway", GATEWAY), "other")


@pytest.mark.parametrize(
    "changed",
    [
        {"project": "other"},
        {"project": "../x"},
        {"name": "letters"},
        {"name": "../digits"},
        {"env": "staging"},
        {"env": None},
        {"name": None},
        {"models": "not JSON"},
        {"models": None},
        {"rest_port": "high"},
        {"digest": None},
        {"folder": "/"},
        {"folder": "/home/somebody"},
        {"folder": f"/x/docker/local@other/digits/{RELEASE}"},
        {"folder": f"/x/docker/local@shop/digits/../../../{RELEASE}"},
        {"folder": f"docker/local@shop/digits/{RELEASE}"},
        {"gateway": "/home/somebody"},
        {"release": None},
    ],
)
def test_labels_that_were_edited_by_hand_are_not_believed(changed):
    found = listed(**changed)
    assert not owned(found)
    assert not owned(found, "other")
    assert not owned(found, "")


@pytest.mark.parametrize("gateway", ["/", "/home/somebody", f"{STATE}/gateway/local@other/digits", ""])
def test_the_folder_of_a_gateway_is_deleted_with_it_and_must_be_one(gateway):
    assert not owned(listed(f"{NAME}-gateway", GATEWAY, gateway=gateway))


@pytest.mark.parametrize(
    "name", ["web", "deployer-other.local-digits", "deployer-shop.local-digits2", "deployer-local-"]
)
def test_the_labels_of_another_container_are_not_believed(name):
    assert not owned(listed(name))
    assert not owned(listed(name), "other")


@pytest.mark.parametrize("labels", [{}, {"name": "digits", "env": "local", "project": "shop"}])
def test_a_container_that_no_command_started_is_its_owners(labels):
    assert not HERE.claimed(listed(labels=labels))
    assert not HERE.claimed(dataclasses.replace(listed(), labels={}))


def test_what_was_made_before_projects_belongs_to_its_folder_until_a_project_renames_it():
    found = listed("deployer-local-digits", BEFORE)
    assert owned(found)
    assert owned(found, "other")  # of the same folder: the first that changes it keeps it
    assert not owned(found, state_dir=Path("/other/.deployer"))
    assert not owned(found, "")
    assert owned(found, "", Path("/other/.deployer"))
    adopted = listed(NAME, BEFORE)
    assert owned(adopted)
    assert owned(adopted, state_dir=Path("/other/.deployer"))
    assert not owned(adopted, "other")
    assert not owned(adopted, "", Path("/other/.deployer"))
    assert (project_of(found), project_of(adopted)) == ("", "shop")


def test_names_of_two_projects_differ_whatever_they_are_made_of():
    """`a-b` and `c` may not be taken for `a` and `b-c`."""
    found = listed("deployer-a-b.c-digits", LABELS, project="a-b", env="c", folder=f"/x/docker/c@a-b/digits/{RELEASE}")
    assert owned(found, "a-b")
    assert not owned(found, "a")


def test_a_network_is_ours_by_label_and_name():
    labels = {"deployer.project": "shop", "deployer.name": "digits", "deployer.env": "local"}
    assert HERE.owns_network(labels, NAME)
    assert HERE.owns_network(labels, f"{NAME}-slots")
    assert not HERE.owns_network(labels, "web")
    assert not HERE.owns_network({**labels, "deployer.project": "other"}, NAME)
    assert not HERE.owns_network({"deployer.name": "digits", "deployer.env": "local"}, "deployer-local-digits")


def test_without_the_gateways_directory_the_names_tell_which_server_serves(tmp_path):
    directory = tmp_path / "gateway" / "local@shop" / "digits"
    names = {"b": NAME, "a": f"{NAME}-candidate-{RELEASE}"}
    behind = {"address": "172.30.0.2", "gateway": str(directory)}
    pair = [listed(name, slot=slot, **behind) for slot, name in names.items()]
    accepted, another = (listed(f"{NAME}-gateway{suffix}", GATEWAY, gateway=str(directory)) for suffix in ("", "-g"))
    serving, candidate = servers([*pair, accepted])
    assert (serving.role, candidate.role) == ("serving", "candidate")
    assert (serving.gateway.running, serving.gateway.lost, serving.gateway.digest) == (True, True, "d")
    assert serving.endpoints.rest != serving.direct_endpoints.rest == "http://172.30.0.2:1"
    for gateways in ([], [another]):  # none, or one that was not accepted
        serving, _ = servers([*pair, *gateways])
        assert (serving.role, serving.gateway.running) == ("serving", False)


def test_a_server_whose_directory_is_gone_says_so_and_what_it_started_with(tmp_path):
    (there,) = servers([listed(folder=str(tmp_path))])
    assert (there.config_lost, there.config_note) == (False, "")
    (gone,) = servers([listed(folder=str(tmp_path / "gone"))])
    assert gone.config_lost
    assert all(part in gone.config_note for part in (str(tmp_path / "gone"), "digits:1"))

"""What was accepted last of a deployment on Docker, from the containers and links that a killed promotion leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.engines.docker.accepted import last_accepted
from deployer.engines.docker.gateway.directory import GatewayDir
from deployer.engines.docker.inspection import ContainerSummary
from deployer.engines.docker.listing import RETIRING
from deployer.engines.docker.names import LABEL, PROJECT, container_name, gateway_name
from deployer.results.served import ServedModel, models_text

NAME, ENV, OWNER = "m", "local", "shop"
SERVING, OLD = container_name(OWNER, NAME, ENV), "1"


def server(release: str, name: str, directory: Path, *, slot: str = "", running: bool = True) -> ContainerSummary:
    labels = {
        "name": NAME, "env": ENV, "release": release, "models": models_text((ServedModel(NAME, (int(release),)),)),
        "folder": str(directory / release), "host": "127.0.0.1", "address": "10.0.0.2", "digest": "d", "slot": slot,
        **dict.fromkeys(("rest_port", "own_rest_port"), "8501"),
        **dict.fromkeys(("grpc_port", "own_grpc_port"), "8500"),
        **({"gateway": str(directory)} if slot else {}),
    }  # fmt: skip
    return summary(name, labels, running=running)


def gateway(generation: str, name: str, directory: Path, *, running: bool = True) -> ContainerSummary:
    labels = {
        "name": NAME, "env": ENV, "generation": generation, "gateway_digest": "g", "host": "127.0.0.1",
        "rest_port": "8501", "grpc_port": "8500", "gateway": str(directory),
    }  # fmt: skip
    return summary(name, labels, running=running)


def summary(name: str, labels: dict[str, str], *, running: bool) -> ContainerSummary:
    owned = {PROJECT: OWNER, **{f"{LABEL}{key}": value for key, value in labels.items()}}
    return ContainerSummary(id=name, names=(name,), labels=owned, running=running)


def other(release: str, role: str = "candidate") -> str:
    return container_name(OWNER, NAME, ENV, release, role)


@pytest.fixture
def links(tmp_path: Path) -> GatewayDir:
    """The directory of a gateway of generation `g1` that routes to slot `a`; it is in force."""
    found = GatewayDir(tmp_path)
    for generation, slot in (("g1", "a"), ("g2", "b")):
        found.generation_dir(generation).mkdir(parents=True)
        found.set_slot(generation, slot)
    found.activate("g1")
    return found


@pytest.mark.parametrize("running", [True, False])
def test_one_server_is_accepted_and_as_it_is(tmp_path, running):
    accepted = last_accepted([server(OLD, SERVING, tmp_path, running=running)], GatewayDir(tmp_path))
    assert accepted.recovered is not None
    assert (accepted.recovered.release, accepted.recovered.running) == (OLD, running)


def test_nothing_is_accepted_of_a_candidate(tmp_path):
    assert last_accepted([server("2", other("2"), tmp_path)], GatewayDir(tmp_path)).recovered is None
    assert last_accepted([], GatewayDir(tmp_path)).recovered is None


def test_a_server_that_was_stopped_for_a_successor_runs_again(tmp_path):
    old = server(OLD, other(OLD, RETIRING), tmp_path, running=False)
    listed = [server("2", SERVING, tmp_path), server("2", other("2"), tmp_path), old]
    accepted = last_accepted(listed, GatewayDir(tmp_path))
    assert accepted.recovered is not None
    assert (accepted.recovered.release, accepted.recovered.running) == (OLD, True)


def test_a_successor_is_accepted_once_the_old_server_is_not_kept_any_more(tmp_path):
    listed = [server("2", SERVING, tmp_path), server(OLD, other(OLD), tmp_path, running=False)]
    recovered = last_accepted(listed, GatewayDir(tmp_path)).recovered
    assert recovered is not None
    assert recovered.release == "2"


@pytest.mark.parametrize(("running", "name"), [(True, gateway_name(OWNER, NAME, ENV)), (False, "renamed")])
def test_the_slot_of_the_gateway_in_force_is_accepted_and_the_gateway_runs_again(links, running, name):
    """The old server's container has another name while one without a gateway is to take its place."""
    listed = [
        server("2", SERVING, links.path),
        server(OLD, other(OLD), links.path, slot="a"),
        gateway("g1", name, links.path, running=running),
    ]
    accepted = last_accepted(listed, links)
    recovered = accepted.recovered
    assert recovered is not None
    assert recovered.gateway is not None
    assert (recovered.release, recovered.slot, recovered.gateway.running) == (OLD, "a", True)
    assert accepted.restarts_gateway is not running


def test_a_gateway_whose_container_is_gone_is_not_started_again(links):
    accepted = last_accepted([server(OLD, SERVING, links.path, slot="a")], links)
    assert accepted.recovered is not None
    assert accepted.recovered.gateway is not None
    assert (accepted.recovered.gateway.running, accepted.restarts_gateway) == (False, False)


def test_without_the_gateways_directory_names_tell_and_a_gateway_is_not_started_again(tmp_path):
    listed = [
        server("2", other("2"), tmp_path, slot="b"),
        server(OLD, SERVING, tmp_path, slot="a"),
        gateway("g1", gateway_name(OWNER, NAME, ENV), tmp_path, running=False),
    ]
    accepted = last_accepted(listed, GatewayDir(tmp_path))
    assert accepted.recovered is not None
    assert (accepted.recovered.release, accepted.restarts_gateway, accepted.is_behind_gateway) == (OLD, False, True)


def test_a_server_outside_the_active_slot_is_not_accepted(links):
    listed = [server("2", SERVING, links.path, slot="b"), gateway("g1", gateway_name(OWNER, NAME, ENV), links.path)]
    accepted = last_accepted(listed, links)
    assert (accepted.recovered, accepted.is_behind_gateway) == (None, False)

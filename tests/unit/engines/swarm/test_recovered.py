"""What recovery will leave of a service: the last accepted specification, as long as Swarm has it."""

from __future__ import annotations

import base64
import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.services import LABELS, NAME, task

from deployer.config.gateway import Gateway
from deployer.config.swarm import Swarm
from deployer.engines.docker.names import LABEL
from deployer.engines.swarm.gateway import files
from deployer.engines.swarm.gateway.service import NO_TOKENS, SwarmGateway
from deployer.engines.swarm.inspection import Service
from deployer.engines.swarm.observer import Observer
from deployer.engines.swarm.recovery import last_accepted
from deployer.engines.swarm.state import Services
from deployer.results.served import ServedModel


def spec(release: str, *, accepted: bool = False, replicas: int = 2, **labels: str) -> dict[str, Any]:
    models = f'[["digits", [{release}], [], ["d"]]]'
    own = {**LABELS, "release": release, "models": models, "accepted": str(accepted).lower(), **labels}
    return {
        "Name": NAME,
        "Labels": {f"{LABEL}{key}": value for key, value in own.items()},
        "Mode": {"Replicated": {"Replicas": replicas}},
        "TaskTemplate": {"Networks": [{"Target": "net"}]},
    }


ACCEPTED, UNACCEPTED = spec("1", accepted=True), spec("2", replaces="1", rest_port="9501", replicas=3)
SERVICES = {
    "accepted": (Service("id", 1, ACCEPTED), "1"),
    "accepted, after an update": (Service("id", 1, spec("2", accepted=True), ACCEPTED), "2"),
    "update not accepted": (Service("id", 1, UNACCEPTED, ACCEPTED, "completed"), "1"),
    "updated by another program": (Service("id", 1, UNACCEPTED, UNACCEPTED), "2"),
    "updated, and nothing known of before": (Service("id", 1, UNACCEPTED), "2"),
    "first one not accepted": (Service("id", 1, spec("1")), None),
}


@pytest.mark.parametrize("case", SERVICES)
def test_the_last_accepted_specification_is_left(case: str):
    service, release = SERVICES[case]
    left = last_accepted(service)
    assert (left and left.labels[f"{LABEL}release"]) == release


class Api:
    """A Swarm with the services of one deployment, whose tasks have the labels of the current specification."""

    def __init__(self, gateway: Service) -> None:
        self.gateway = gateway

    def services(self, *_: str) -> tuple[Service, ...]:
        return (self.gateway,)

    def tasks(self, _: str) -> tuple[Any, ...]:
        return (task("starting"),)

    def nodes(self) -> dict[str, Any]:
        return {}

    def find_object(self, *_: str) -> dict[str, Any]:
        return {"Spec": {"Data": base64.b64encode(b"token").decode()}}


def observer(server: Service, gateway: Service, directory: Path) -> Observer:
    api = Api(gateway)
    host = SimpleNamespace(
        api=api,
        info=SimpleNamespace(node_id="n1", address="10.0.0.1"),
        state=SimpleNamespace(services=lambda *_: Services(server, gateway=gateway)),
        gateway=SwarmGateway(api, Gateway(enabled=True), Swarm(), "shop", directory),
        docker=SimpleNamespace(settings=SimpleNamespace(host="unix:///docker.sock")),
        release_dir=directory.joinpath,
    )
    return Observer(host)


def gateway_spec(digest: str, release: str) -> dict[str, Any]:
    made = spec(release, role="gateway", gateway_digest=digest)
    return {**made, "Name": f"{NAME}-gateway", "EndpointSpec": {"Ports": [{"PublishMode": "host"}]}}


@pytest.mark.parametrize(("updated", "digest"), [("2", "old"), ("1", "new")], ids=["by the release", "by another"])
def test_a_deployment_is_foreseen_from_the_specifications_before(tmp_path: Path, updated: str, digest: str):
    server = SERVICES["update not accepted"][0]
    gateway = Service("g", 1, gateway_spec("new", updated), gateway_spec("old", "0"))
    seen = observer(server, gateway, tmp_path)
    serving, left = seen.serving("digits", "local"), seen.recovered("digits", "local")
    assert serving is not None
    assert left is not None
    assert (serving.release, serving.running, serving.replicas, serving.rest_port) == ("2", False, 3, 9501)
    assert serving.gateway is not None
    assert serving.gateway.digest == "new"
    assert (left.release, left.running, left.replicas, left.rest_port) == ("1", True, 2, 8501)
    assert left.models == (ServedModel("digits", (1,), (), ("d",)),)
    assert left.gateway is not None
    assert left.gateway.digest == digest


@pytest.mark.parametrize(("text", "closed"), [(NO_TOKENS.text, True), ("hash\n", False)], ids=["no token", "a token"])
def test_a_gateway_that_no_client_has_a_token_for_is_observed_as_closed(tmp_path: Path, text: str, closed: bool):
    found = gateway_spec("new", "1")
    secret = files.name_of(files.Owner("shop", "digits", "local"), dataclasses.replace(NO_TOKENS, text=text))
    found["TaskTemplate"] = {"ContainerSpec": {"Secrets": [{"SecretName": secret}]}}
    server = SERVICES["accepted"][0]
    seen = observer(server, Service("g", 1, found), tmp_path).serving("digits", "local")
    assert seen is not None
    assert seen.gateway is not None
    assert seen.gateway.closed is closed


@pytest.mark.parametrize("case", ["accepted", "updated by another program"])
def test_what_recovery_keeps_is_what_is_observed(tmp_path: Path, case: str):
    seen = observer(SERVICES[case][0], Service("g", 1, gateway_spec("new", "2")), tmp_path)
    assert seen.recovered("digits", "local") == seen.serving("digits", "local")


def test_nothing_is_left_of_a_first_deployment_that_was_not_accepted(tmp_path: Path):
    server = dataclasses.replace(SERVICES["first one not accepted"][0], update_state="")
    seen = observer(server, Service("g", 1, gateway_spec("new", "1")), tmp_path)
    assert (seen.recovered("digits", "local"), seen.serving("digits", "local")) == (None, None)

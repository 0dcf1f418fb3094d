"""Services, tasks, nodes and managers, as the Engine API describes them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from support.services import LABELS, NAME, task

from deployer.engines.docker.names import LABEL
from deployer.engines.swarm import listing, preflight
from deployer.engines.swarm import tasks as task_list
from deployer.engines.swarm.inspection import NodeInfo, Service, SwarmInfo, Task, newest
from deployer.engines.swarm.state import by_role, is_ours
from deployer.engines.swarm.tasks import PENDING_SECONDS, Patience
from deployer.results.deployment import Endpoints, Gateway, Node
from deployer.results.served import ServedModel


def service(name: str = NAME, **labels: str) -> Service:
    labelled = {f"{LABEL}{key}": value for key, value in {**LABELS, **labels}.items()}
    spec = {"Name": name, "Labels": labelled, "Mode": {"Replicated": {"Replicas": 2}}, "TaskTemplate": {}}
    return Service("id", 1, spec)


def test_a_service_says_what_it_serves():
    found = listing.parse(service(), Path("/state"), running=True)
    assert (found.name, found.env, found.role, found.release, found.replicas) == ("digits", "local", "serving", "r1", 2)
    assert found.models == (ServedModel("digits", (1,), (), ("d",)),)
    assert found.in_image
    assert found.image_id == "sha256:1"
    candidate = listing.parse(service(role="candidate"), Path("/state"), running=True)
    assert (candidate.role, candidate.replicas) == ("candidate", 3)


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        ({"models": "[["}, "cannot be read"),
        ({"rest_port": "http"}, "cannot be read"),
        ({"flags": "1"}, "cannot be read"),
        ({"settings": "[1]"}, "cannot be read"),
    ],
)
def test_labels_that_anyone_may_have_written_are_no_bug(labels: dict[str, str], problem: str):
    assert problem in str(listing.label_problem(service(**labels)))
    missing = service()
    del missing.spec["Labels"][f"{LABEL}release"]
    assert listing.label_problem(missing) == f"its label {LABEL}release is missing"
    assert listing.label_problem(service()) is None


def test_services_are_told_apart_by_role_and_those_of_other_names_are_left_alone():
    candidate = service(f"{NAME}-candidate", role="candidate")
    assert by_role([service(), candidate]).candidate is candidate
    assert is_ours(candidate)
    assert not is_ours(service("web"))
    assert not is_ours(service(role="candidate"))
    assert not is_ours(service(role="cron"))


def test_a_deployment_has_the_address_of_the_manager_if_a_gateway_runs_there():
    server, gateway = listing.parse(service(), Path("/state"), running=True), Gateway("d", True, Path("token"))
    at = {"node1": "10.0.0.1", "node2": "10.0.0.2"}
    reached = listing.at_gateway(server, gateway, at, "node2", {"node1": 1, "node3": 1})
    assert reached.endpoints == Endpoints("http://10.0.0.2:8501", "10.0.0.2:8500")
    assert reached.nodes == (
        Node("node1", 1, Endpoints("http://10.0.0.1:8501", "10.0.0.1:8500")),
        Node("node2", 0, Endpoints("http://10.0.0.2:8501", "10.0.0.2:8500")),
        Node("node3", 1),
    )
    assert listing.at_gateway(server, gateway, at, "node9", {}).endpoints.rest == "http://10.0.0.1:8501"
    assert (reached.gateway, reached.silence) == (gateway, "")


def test_without_a_node_where_it_answers_a_gateway_is_not_running():
    server, gateway = listing.parse(service(), Path("/state"), running=True), Gateway("d", True, Path("token"))
    reached = listing.at_gateway(server, gateway, {}, "node2", {})
    assert (reached.endpoints, reached.silence) == (listing.NO_ADDRESS, "its gateway is not running")


@pytest.mark.parametrize(("ports", "everywhere"), [([], False), ([{"PublishMode": "host"}], False), ([{}], True)])
def test_with_the_routing_mesh_every_node_answers(ports: list[dict[str, str]], *, everywhere: bool):
    gateway = dataclasses.replace(service(), spec={"EndpointSpec": {"Ports": ports}})
    assert gateway.is_in_routing_mesh is everywhere


def test_a_task_is_read_with_its_address_and_the_reason_of_its_end():
    answer = {
        "ID": "t1", "Slot": 2, "NodeID": "n1", "DesiredState": "shutdown", "CreatedAt": "2026-01-01T00:00:00Z",
        "Status": {"State": "failed", "Err": "task: non-zero exit (3)", "ContainerStatus": {"ExitCode": 3}},
        "Spec": {"ContainerSpec": {"Labels": {f"{LABEL}release": "r1"}}},
        "NetworksAttachments": [{"Network": {"ID": "net"}, "Addresses": ["10.0.1.5/24"]}],
    }  # fmt: skip
    found = Task.parse(answer)
    assert (found.addresses, found.release, found.failed, found.is_current) == ({"net": "10.0.1.5"}, "r1", True, False)
    assert "exit code 3" in task_list.reason(found)
    assert Task.parse({"ID": "t2"}).addresses == {}
    assert task_list.reason(task("rejected", message="No such image: x")) == "No such image: x"
    assert "node of its server" in task_list.reason(task("running", "shutdown"))
    assert newest([found, dataclasses.replace(found, id="t0", created="2025")]) is found
    assert newest([]) is None


def test_a_task_that_gets_no_node_is_given_up_with_the_reason(monkeypatch: pytest.MonkeyPatch):
    now = [0.0]
    monkeypatch.setattr(task_list.time, "monotonic", lambda: now[0])
    patience, pending = Patience(900.0), task("pending", message="no suitable node")
    assert patience.problem([pending]) is None
    now[0] = PENDING_SECONDS + 1
    assert patience.problem([task("preparing", id="other")]) is None
    assert patience.problem([pending]) == (pending, "no suitable node")
    now[0] += 1000
    assert "preparing after 900 s" in patience.problem([task("preparing", id="other")])[1]


@pytest.mark.parametrize(
    ("swarm", "says"),
    [
        ({"LocalNodeState": "inactive"}, "is part of no Swarm"),
        ({"LocalNodeState": "active", "ControlAvailable": False}, "is a worker of a Swarm"),
        ({"LocalNodeState": "active", "Error": "rpc error: The swarm does not have a leader."}, "lost its quorum"),
    ],
)
def test_an_engine_that_can_change_no_swarm_is_refused_with_the_next_command(swarm: dict[str, Any], says: str):
    finding = preflight.manager_problem(SwarmInfo.parse({"Swarm": swarm}))
    assert finding is not None
    assert (finding.severity, says in finding.message) == ("error", True)
    assert "docker" in finding.remedy
    assert preflight.manager_problem(SwarmInfo.parse({"Swarm": {"ControlAvailable": True}})) is None


def test_an_engine_that_is_too_old_for_services_is_refused():
    found = preflight.api_problem("1.40")
    assert found is not None
    assert (found.severity, "20.10" in found.remedy) == ("error", True)
    assert preflight.api_problem("1.41") is None


def test_nodes_that_run_nothing_are_reported_and_an_image_that_they_cannot_get_is_refused():
    answer = {"ID": "n", "Description": {"Hostname": "node1"}, "Status": {"State": "down"}, "Spec": {}}
    down = NodeInfo.parse(json.loads(json.dumps(answer)))
    drained = dataclasses.replace(down, name="node2", ready=True)
    found = list(preflight.of_nodes([down, drained, dataclasses.replace(drained, active=True)]))
    assert [finding.message for finding in found] == ["the node node1 does not answer", "the node node2 takes no tasks"]
    local = f"sha256:{'0' * 64}"
    assert [each.severity for each in preflight.of_image(local, [down, drained])] == ["error"]
    assert list(preflight.of_image(local, [down])) == []
    assert list(preflight.of_image("registry.example.com/digits@sha256:0", [down, drained])) == []


class Draining:
    """A Swarm where a task of another release should end and does not; `ready` is whether its node answers."""

    def __init__(self, *, ready: bool) -> None:
        self.ready = ready

    def tasks(self, _: str) -> tuple[Task, ...]:
        return (task("running", "shutdown", release="r0"),)

    def nodes(self) -> dict[str, NodeInfo]:
        return {"n1": NodeInfo("n1", "node1", "10.0.0.1", self.ready, True)}


@pytest.mark.parametrize(("ready", "slept"), [(True, []), (False, [task_list.SETTLE_SECONDS])])
def test_servers_that_drain_for_long_are_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, slept: list[float], *, ready: bool
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(task_list.time, "sleep", waits.append)
    monkeypatch.setattr(task_list, "END_SECONDS", 0.0 if ready else 60.0)
    task_list.Tasks(Draining(ready=ready), 900.0).await_replaced("s", "r1")  # type: ignore[arg-type]
    assert waits == slept

"""A gateway on a Swarm: each setting counts for what it reads, and no name becomes another line of that."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fake_engine import fake_engine

from deployer.config.gateway import Gateway
from deployer.config.swarm import Swarm
from deployer.engines.docker.api import connect
from deployer.engines.docker.gateway import tls, tokens
from deployer.engines.swarm.api import SwarmApi
from deployer.engines.swarm.gateway.config import MOST_TASKS, GatewayConfig, Route
from deployer.engines.swarm.gateway.service import SwarmGateway
from deployer.engines.swarm.gateway.spec import GatewaySpec, _has
from deployer.errors import ConfigError, SettingRefused, TemplateError

SERVICE = "deployer-shop-local-half"
NODES = [
    {"ID": f"n{number}", "Status": {"State": "ready", "Addr": f"198.18.1.1{number}"}, "Description": {"Hostname": name}}
    for number, name in enumerate(("node1", "node2"))
]
ROUTE = Route("network-id", SERVICE, 8501, 8500)
CONFIG = {"ConfigID": "c", "ConfigName": "n", "File": {}}
SECRET = {"SecretID": "s", "SecretName": "n", "File": {}}


def text(*, is_ingress: bool = False, service: str = SERVICE, model: str = "half", **settings: Any) -> str:
    config = GatewayConfig(Gateway(enabled=True, **settings), is_ingress=is_ingress)
    return config.text(service, model, tokens.hash_token("tool"))


def backend(config: str, name: str) -> str:
    return config.split(f"\nbackend {name}\n")[1].split("\nbackend ", maxsplit=1)[0]


def test_both_backends_find_the_tasks_of_the_service_and_ask_their_rest_port() -> None:
    config = text()
    for name, port in (("rest", 8501), ("grpc", 8500)):
        lines = backend(config, name).splitlines()
        servers = [line for line in lines if line.startswith("    server task")]
        assert len(servers) == len(set(servers)) == MOST_TASKS
        # HAProxy 2.6 copies no tcp-ut to the servers of a server-template, nor from default-server.
        assert all(f"'tasks.{SERVICE}:{port}' tcp-ut 5s" in server for server in servers)
        assert "    http-check connect port 8501 proto h1" in lines  # nor check-proto
        assert any("/v1/models/half" in line for line in lines)
        assert all(("proto h2" in server) == (name == "grpc") for server in servers)
    assert "nameserver docker 127.0.0.11:53" in config


def test_a_task_that_leaves_keeps_its_requests_and_nothing_is_sent_twice() -> None:
    config = text()
    assert "shutdown-sessions" not in config
    assert "retry-on" not in config
    assert "option redispatch 1" in config


def test_idle_connections_stay_open_where_another_gateway_takes_new_ones() -> None:
    assert "idle-close-on-response" not in text()
    assert "idle-close-on-response" in text(is_ingress=True)


def test_a_service_asks_for_no_file_that_it_does_not_mount() -> None:
    assert set(re.findall(r"'/gateway/([^']*)'", text())) == set()
    guarded = text(tls=True, tokens=Path("tokens"))
    assert set(re.findall(r"'/gateway/([^']*)'", guarded)) == {"server.pem", "tokens"}


@given(st.text(max_size=30))
def test_no_name_becomes_another_line(name: str) -> None:
    try:
        config = text(model=name)
    except TemplateError:
        return
    assert config.count("\n") == text().count("\n")


def test_a_template_without_tasks_is_refused(tmp_path: Path) -> None:
    (tmp_path / "haproxy.cfg.j2").write_text("frontend rest\n    bind {{ rest_address }}\n")
    with pytest.raises(TemplateError, match="tasks"):
        GatewayConfig(Gateway(), tmp_path).text(SERVICE, "half", "")


def test_every_node_has_a_gateway_that_holds_ports_of_the_node() -> None:
    spec = GatewaySpec(Gateway(), Swarm(gateway_constraints=("node.role==worker",))).service("g", {}, ROUTE, [CONFIG])
    assert spec["Mode"] == {"Global": {}}
    assert (spec["EndpointSpec"]["Mode"], spec["UpdateConfig"]["Order"]) == ("dnsrr", "stop-first")
    assert [(port["TargetPort"], port["PublishedPort"], port["PublishMode"]) for port in ports(spec)] == [
        (8501, 8501, "host"),
        (8500, 8500, "host"),
    ]
    assert spec["TaskTemplate"]["Placement"]["Constraints"] == ["node.role==worker"]
    assert "Healthcheck" not in spec["TaskTemplate"]["ContainerSpec"]


@pytest.mark.parametrize("clients", [1, 77, 4096])
def test_a_gateway_may_open_as_many_files_as_haproxy_asks_for(clients: int) -> None:
    """HAProxy 2.6 takes two for each client, and 530 for the health checks of all places and for itself."""
    spec = GatewaySpec(Gateway(max_connections=clients), Swarm()).service("g", {}, ROUTE, [CONFIG])
    (limit,) = spec["TaskTemplate"]["ContainerSpec"]["Ulimits"]
    assert limit["Soft"] >= 2 * clients + 530


def test_the_routing_mesh_leads_to_some_gateways_that_are_healthy() -> None:
    route = dataclasses.replace(ROUTE, rest_port=80, grpc_port=81)
    spec = GatewaySpec(Gateway(), Swarm(publish="ingress", gateway_replicas=3)).service("g", {}, route, [CONFIG])
    assert spec["Mode"] == {"Replicated": {"Replicas": 3}}
    assert (spec["EndpointSpec"]["Mode"], spec["UpdateConfig"]["Order"]) == ("vip", "start-first")
    assert [(port["TargetPort"], port["PublishedPort"], port["PublishMode"]) for port in ports(spec)] == [
        (8501, 80, "ingress"),
        (8500, 81, "ingress"),
    ]
    assert ":2135 " in spec["TaskTemplate"]["ContainerSpec"]["Healthcheck"]["Test"][1]


@pytest.mark.parametrize("publish", ["host", "ingress"])
def test_containers_are_hardened_and_an_update_that_fails_is_rolled_back(publish: Any) -> None:
    spec = GatewaySpec(Gateway(drain_seconds=7), Swarm(publish=publish)).service("g", {}, ROUTE, [CONFIG, SECRET])
    container = spec["TaskTemplate"]["ContainerSpec"]
    assert (container["ReadOnly"], container["CapabilityDrop"], container["User"]) == (True, ["ALL"], "65534:65534")
    assert (container["Configs"], container["Secrets"]) == ([CONFIG], [SECRET])
    assert (container["StopSignal"], container["StopGracePeriod"]) == ("SIGUSR1", 12 * 10**9)
    assert spec["UpdateConfig"] | {"Order": ""} == {
        "Parallelism": 1, "Order": "", "Monitor": 10**9, "MaxFailureRatio": 0, "FailureAction": "rollback",
    }  # fmt: skip


def ports(spec: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = spec["EndpointSpec"]["Ports"]
    return found


def test_values_of_the_engine_have_defaults_that_nothing_set() -> None:
    assert _has({"a": {"b": [1], "c": 2}, "d": 0}, {"a": {"b": [1]}, "e": []})
    assert not _has({"a": {"b": [1]}}, {"a": {"b": [1, 2]}})
    assert not _has({}, {"a": 1})
    assert not _has(None, {"a": {"b": 1}})


@pytest.fixture(scope="module")
def api() -> Iterator[SwarmApi]:
    """A manager of two nodes without a service."""
    with fake_engine(answers={"/nodes": NODES, "/configs": [], "/services": []}) as address:
        client = connect(address)
        yield SwarmApi(client)
        client.close()


def digest(api: SwarmApi, tmp_path: Path, gateway: Gateway | None = None, swarm: Swarm | None = None) -> str:
    made = SwarmGateway(api, gateway or Gateway(), swarm or Swarm(), "shop", tmp_path)
    return made.digest("half", "local", "0.0.0.0")


@pytest.mark.parametrize(
    "settings",
    [{"image": "haproxy:3.2"}, {"tls": True}, {"max_body": "1m"}, {"requests_per_second": 5}, {"answer_seconds": 1},
     {"max_connections": 5}],
)  # fmt: skip
def test_every_setting_makes_another_gateway(api: SwarmApi, tmp_path: Path, settings: dict[str, Any]) -> None:
    plain = digest(api, tmp_path)
    assert plain == digest(api, tmp_path)
    assert digest(api, tmp_path, Gateway(**settings)) != plain


@pytest.mark.parametrize(
    "settings", [{"publish": "ingress"}, {"gateway_constraints": ("node.role==worker",)}, {"drain_seconds": 11}]
)
def test_every_setting_of_the_swarm_that_counts_makes_another_gateway(
    api: SwarmApi, tmp_path: Path, settings: dict[str, Any]
) -> None:
    assert digest(api, tmp_path, swarm=Swarm(**settings)) != digest(api, tmp_path)


def test_servers_do_not_change_the_gateway(api: SwarmApi, tmp_path: Path) -> None:
    others = Swarm(replicas=9, constraints=("node.role==worker",), max_per_node=3, monitor_seconds=9)
    assert digest(api, tmp_path, swarm=others) == digest(api, tmp_path)


def test_another_token_or_certificate_makes_another_gateway(api: SwarmApi, tmp_path: Path) -> None:
    known, pem = tmp_path / "tokens", tmp_path / "pem"
    guarded = Gateway(tls=True, tokens=known, certificate=pem, key=pem)
    seen = set()
    for number in range(2):
        tokens.write(known, {"a": tokens.hash_token(str(number))})
        pem.write_text(tls.sign("node1").pem)
        seen.add(digest(api, tmp_path, guarded))
    assert len(seen) == 2
    assert digest(api, tmp_path, guarded) in seen
    pem.write_text("garbage")
    with pytest.raises(ConfigError):
        digest(api, tmp_path, guarded)


def test_the_way_to_publish_cannot_be_changed_while_the_service_is_there(tmp_path: Path) -> None:
    found = {"ID": "s", "Version": {"Index": 1}, "Spec": {"Name": "g", "Mode": {"Global": {}}}}
    with fake_engine(answers={f"/services/{SERVICE}-gateway": found}) as address:
        client = connect(address)
        with pytest.raises(SettingRefused, match=r"swarm\.publish"):
            digest(SwarmApi(client), tmp_path, swarm=Swarm(publish="ingress"))
        assert digest(SwarmApi(client), tmp_path)
        client.close()


def test_a_certificate_of_ones_own_is_for_all_nodes() -> None:
    certificate = tls.sign("node1", "198.18.1.10").certificate
    assert tls.is_current(certificate, "node1")
    assert not tls.is_current(certificate, "node1", "node3")
    assert not tls.is_current("garbage", "node1")

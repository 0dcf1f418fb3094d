"""Deployments from services: what their labels, tasks and nodes say."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

from deployer.engines.base import CANDIDATE, SERVING
from deployer.engines.docker.names import LABEL
from deployer.engines.ports import url_host
from deployer.engines.swarm import names
from deployer.engines.swarm.inspection import Service, Task
from deployer.results.deployment import GRPC_PORT, REST_PORT, Deployment, Endpoints, Gateway, Node
from deployer.results.served import models_from

ENGINE = "swarm"
NO_ADDRESS = Endpoints("", "")


def label_problem(service: Service) -> str | None:
    """Return why the labels of a server's service cannot be read, or None."""
    try:
        parse(service, Path(), running=False)
    except KeyError as error:
        return f"its label {LABEL}{error.args[0]} is missing"
    except (ValueError, TypeError) as error:
        return f"its labels cannot be read: {error}"
    return None


def parse(service: Service, directory: Path, *, running: bool) -> Deployment:
    """Return what a service says that it serves, without addresses. Raise KeyError, ValueError or TypeError."""
    labels = {name.removeprefix(LABEL): value for name, value in service.labels.items() if name.startswith(LABEL)}
    return Deployment(
        name=labels["name"],
        env=labels["env"],
        engine=ENGINE,
        release=labels["release"],
        role=SERVING if labels["role"] == names.SERVER else CANDIDATE,
        models=models_from(labels["models"]),
        endpoints=NO_ADDRESS,
        rest_port=int(labels["rest_port"]),
        grpc_port=int(labels["grpc_port"]),
        server_digest=labels["digest"],
        created=labels.get("created", ""),
        running=running,
        pid=None,
        directory=directory,
        image=labels["image_digest"],
        image_id=labels["image"],
        image_name=labels["image_name"],
        store=Path(labels["store"]) if labels.get("store") else None,
        host=labels["host"],
        project=labels["project"],
        settings=dict(json.loads(labels["settings"])),
        temporary_settings=tuple(map(str, json.loads(labels["temporary"]))),
        flags=tuple((name, value) for name, value in json.loads(labels["flags"])),
        environment=tuple(map(str, json.loads(labels["environment"]))),
        replicas=int(labels["replicas"]) if labels["role"] != names.SERVER else service.replicas,
    )


def at_task(candidate: Deployment, task: Task, network: str) -> Deployment:
    """Return a candidate with the address of its task on a network."""
    host = task.addresses.get(network, "")
    return dataclasses.replace(candidate, endpoints=_endpoints("http", host, REST_PORT, GRPC_PORT))


def at_gateway(
    server: Deployment,
    gateway: Gateway,
    addresses: Mapping[str, str],
    preferred: str,
    servers: Mapping[str, int],
) -> Deployment:
    """Return a server as clients reach it.

    `addresses` are those of the nodes where a gateway answers, by the name of the node. The one of the `preferred` node
    is the address of the deployment, if it is among them. `servers` are the numbers of running servers by node.
    """
    scheme = "https" if gateway.certificate or gateway.settings.get("tls") else "http"
    at = {name: _endpoints(scheme, host, server.rest_port, server.grpc_port) for name, host in addresses.items()}
    endpoints = at.get(preferred) or next(iter(at.values()), NO_ADDRESS)
    gateway = dataclasses.replace(gateway, running=gateway.running and bool(at))
    nodes = tuple(Node(name, servers.get(name, 0), at.get(name)) for name in sorted({*servers, *at}))
    return dataclasses.replace(server, endpoints=endpoints, gateway=gateway, nodes=nodes)


def _endpoints(scheme: str, host: str, rest_port: int, grpc_port: int) -> Endpoints:
    host = url_host(host) if host else ""
    return Endpoints(f"{scheme}://{host}:{rest_port}", f"{host}:{grpc_port}")

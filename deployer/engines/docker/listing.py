"""What an engine's list of containers says: which deployments there are, and the gateways in front of them.

Where no gateway is, a server's role is in its container's name. Behind one it is in the gateway's folder: the server
serves whose slot that gateway sends to.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from deployer.engines import run_dir
from deployer.engines.base import CANDIDATE, SERVING
from deployer.engines.docker.gateway.config import CERTIFICATE, TOKENS
from deployer.engines.docker.gateway.directory import GatewayDir
from deployer.engines.docker.names import LABEL, container_name
from deployer.engines.ports import url_host
from deployer.results.deployment import Deployment, Endpoints, Gateway, ServedModel, models_from

MODELS_FILE = "models.json"
RETIRING = "retiring"
"""In the name of a server that was stopped so that another could have its ports, until that one is accepted."""


@dataclass(frozen=True)
class GatewayContainer:
    """One container of a gateway; `generation` is its folder's name in `directory`."""

    id: str
    name: str
    env: str
    generation: str
    digest: str
    host: str
    rest_port: int
    grpc_port: int
    directory: GatewayDir
    running: bool

    @property
    def active(self) -> bool:
        """Whether it is the one that holds the ports."""
        active = self.directory.active()
        return active is not None and active.generation == self.generation


def gateways(listed: Iterable[Mapping[str, Any]]) -> tuple[GatewayContainer, ...]:
    """Those among a list of containers."""
    parsed = []
    for container in listed:
        with contextlib.suppress(KeyError, ValueError):
            parsed.append(_parse_gateway(container))
    return tuple(parsed)


def servers(listed: Iterable[Mapping[str, Any]]) -> list[Deployment]:
    """The model servers among a list of containers, newest first; a spoilt one is none of ours."""
    containers = list(listed)
    active_gateways = {(parsed.name, parsed.env): parsed for parsed in gateways(containers) if parsed.active}
    parsed = []
    for container in containers:
        with contextlib.suppress(KeyError, ValueError, TypeError):
            parsed.append(_parse_server(container, active_gateways))
    return parsed


def label_problem(container: Mapping[str, Any]) -> str | None:
    """Why the labels of a server or a gateway cannot be read, or None."""
    try:
        labels = _labels(container)
        _parse_gateway(container) if "generation" in labels else _direct_deployment(container, labels)
    except KeyError as error:
        return f"its label {LABEL}{error.args[0]} is missing"
    except (ValueError, TypeError) as error:
        return f"its labels cannot be read: {error}"
    return None


def held_ports(listed: Iterable[Mapping[str, Any]]) -> set[int]:
    """The ports that running containers of a list hold: published ones, and those of gateways."""
    running = [container for container in listed if container["State"] == "running"]
    published = {int(port.get("PublicPort", 0)) for container in running for port in container.get("Ports") or ()}
    return published | {port for gateway in gateways(running) for port in (gateway.rest_port, gateway.grpc_port)}


def gateway_of(directory: GatewayDir, generation: str, digest: str, *, running: bool) -> Gateway:
    """How the tool gets through a gateway."""
    files = directory.generation_dir(generation)
    certificate = files / CERTIFICATE
    has_tokens = (files / TOKENS).exists()
    return Gateway(digest, running, directory.token, certificate if certificate.exists() else None, has_tokens)


def behind_gateway(server: Deployment, host: str, gateway: Gateway) -> Deployment:
    """A server as it is reached through a gateway."""
    host_in_url, scheme = url_host(host), "https" if gateway.certificate else "http"
    endpoints = Endpoints(f"{scheme}://{host_in_url}:{server.rest_port}", f"{host_in_url}:{server.grpc_port}")
    return replace(server, role=SERVING, endpoints=endpoints, gateway=gateway)


def _labels(container: Mapping[str, Any]) -> dict[str, str]:
    return {name.removeprefix(LABEL): value for name, value in container["Labels"].items() if name.startswith(LABEL)}


def _parse_gateway(container: Mapping[str, Any]) -> GatewayContainer:
    labels = _labels(container)
    return GatewayContainer(
        id=container["Id"],
        name=labels["name"],
        env=labels["env"],
        generation=labels["generation"],
        digest=labels["gateway_digest"],
        host=labels["host"],
        rest_port=int(labels["rest_port"]),
        grpc_port=int(labels["grpc_port"]),
        directory=GatewayDir(Path(labels["gateway"])),
        running=container["State"] == "running",
    )


def _parse_server(
    container: Mapping[str, Any], active_gateways: Mapping[tuple[str, str], GatewayContainer]
) -> Deployment:
    labels = _labels(container)
    server = _direct_deployment(container, labels)
    active = GatewayDir(Path(labels["gateway"])).active() if server.slot else None
    if active is None or active.slot != server.slot:
        return server
    active_gateway = active_gateways.get((server.name, server.env))
    digest, running = (active_gateway.digest, active_gateway.running) if active_gateway else ("", False)
    gateway = gateway_of(GatewayDir(Path(labels["gateway"])), active.generation, digest, running=running)
    return behind_gateway(server, labels["host"], gateway)


def _direct_deployment(container: Mapping[str, Any], labels: Mapping[str, str]) -> Deployment:
    """A server as it is reached by itself."""
    slot, directory = labels.get("slot", ""), Path(labels["folder"])
    host = url_host(labels["address"] if slot else labels["host"])
    rest, grpc = int(labels["own_rest_port"]), int(labels["own_grpc_port"])
    return Deployment(
        name=labels["name"],
        env=labels["env"],
        engine="docker",
        release=labels["release"],
        role=CANDIDATE if slot else _role(container["Names"], labels),
        models=_current_models(directory, labels["models"]),
        endpoints=Endpoints(f"http://{host}:{rest}", f"{host}:{grpc}"),
        rest_port=int(labels["rest_port"]),
        grpc_port=int(labels["grpc_port"]),
        server_digest=labels["digest"],
        created=str(container.get("Created", "")),
        running=container["State"] == "running",
        pid=None,
        folder=directory,
        image=labels.get("image_digest", ""),
        image_id=labels.get("image", ""),
        image_name=labels.get("image_name", ""),
        store=Path(labels["store"]) if labels.get("store") else None,
        reloading_to=run_dir.reload_target(directory),
        slot=slot,
        host=labels["host"],
        project=labels.get("project", ""),
        config_lost=_is_lost(directory),
    )


def _is_lost(directory: Path) -> bool:
    """Whether the directory that the container reads is gone: labels say what it started with, not what it has now."""
    try:
        return not directory.is_dir()
    except OSError:
        return False


def _role(names: Iterable[str], labels: Mapping[str, str]) -> str:
    name, env, release = labels["name"], labels["env"], labels["release"]
    serving = {
        f"/{container_name(project, name, env, *more)}"
        for project in (labels.get("project", ""), "")
        for more in ((), (release, RETIRING))
    }
    return SERVING if serving & set(names) else CANDIDATE


def _current_models(directory: Path, label: str) -> tuple[ServedModel, ...]:
    """Labels cannot change: what a reload changed stands beside the config that the container reads."""
    reloaded = directory / MODELS_FILE
    return models_from(reloaded.read_text() if reloaded.is_file() else label)

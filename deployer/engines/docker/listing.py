"""Deployments and gateways from an engine's list of containers.

Without a gateway, a server's role is part of its container's name. Behind a gateway, the gateway's directory records
it: the server in the active slot serves. If the directory is gone, the names tell, as without a gateway.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from deployer.engines import run_dir
from deployer.engines.base import CANDIDATE, SERVING
from deployer.engines.docker.gateway.config import CERTIFICATE, TOKENS
from deployer.engines.docker.gateway.directory import GatewayDir
from deployer.engines.docker.inspection import ContainerSummary
from deployer.engines.docker.names import CONTENTS, LABEL, container_name, gateway_name
from deployer.engines.ports import url_host
from deployer.results.deployment import Deployment, Endpoints, Gateway
from deployer.results.served import ServedModel, models_from

MODELS_FILE = "models.json"
TABLES_LABEL = f"{CONTENTS}tables"
"""The label that a container inherits from an image with models inside."""
RETIRING = "retiring"
"""Part of the name of a server that was stopped to free its ports, until its successor is accepted."""


@dataclass(frozen=True)
class GatewayContainer:
    """One container of a gateway; `generation` is its subdirectory of `directory`."""

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
    accepted: bool
    """Whether its name is the one that a gateway gets once it is accepted."""

    settings: Mapping[str, object]
    temporary_settings: tuple[str, ...]
    paused: bool = False

    @property
    def active(self) -> bool:
        """Whether this container holds the ports."""
        active = self.directory.active()
        return self.accepted if active is None else active.generation == self.generation

    @property
    def lost(self) -> bool:
        """Whether its files are gone, and with them its runtime socket: it serves on, and cannot be changed."""
        return not self.directory.generation_dir(self.generation).is_dir()


def gateways(listed: Iterable[ContainerSummary]) -> tuple[GatewayContainer, ...]:
    """Return the gateways in a list of containers."""
    parsed = []
    for container in listed:
        with contextlib.suppress(KeyError, ValueError, TypeError):
            parsed.append(_parse_gateway(container))
    return tuple(parsed)


def servers(listed: Iterable[ContainerSummary]) -> list[Deployment]:
    """Return the model servers in a list of containers, newest first; those with unreadable labels are left out."""
    return [server for _, server in named_servers(listed)]


def named_servers(listed: Iterable[ContainerSummary]) -> list[tuple[str, Deployment]]:
    """Return what `servers` does, each server with the name of its container."""
    containers = list(listed)
    active_gateways = {(parsed.name, parsed.env): parsed for parsed in gateways(containers) if parsed.active}
    parsed = []
    for container in containers:
        with contextlib.suppress(KeyError, ValueError, TypeError):
            parsed.append((container.name, _parse_server(container, active_gateways)))
    return parsed


def is_retiring(name: str, server: Deployment) -> bool:
    """Return whether the container of that name was stopped to free the ports for a successor of its server."""
    projects = (server.project, "")
    return name in {container_name(each, server.name, server.env, server.release, RETIRING) for each in projects}


def label_problem(container: ContainerSummary) -> str | None:
    """Return why the labels of a server or gateway cannot be read, or None."""
    try:
        labels = _labels(container)
        _parse_gateway(container) if "generation" in labels else _direct_deployment(container, labels)
    except KeyError as error:
        return f"its label {LABEL}{error.args[0]} is missing"
    except (ValueError, TypeError) as error:
        return f"its labels cannot be read: {error}"
    return None


def held_ports(listed: Iterable[ContainerSummary]) -> set[int]:
    """Return the ports that running containers hold: published ones, and those of gateways."""
    running = [container for container in listed if container.running]
    published = {port for container in running for port in container.ports}
    return published | {port for gateway in gateways(running) for port in (gateway.rest_port, gateway.grpc_port)}


def behind_gateway(server: Deployment, container: GatewayContainer) -> Deployment:
    """Return a server as clients reach it through a gateway."""
    gateway = _gateway(container.directory, container.generation)
    gateway = replace(
        gateway,
        digest=container.digest,
        running=container.running,
        lost=container.lost,
        settings=container.settings,
        temporary_settings=container.temporary_settings,
        paused=container.paused,
    )
    return _behind(server, container.host, gateway)


def _gateway(directory: GatewayDir, generation: str) -> Gateway:
    """Return the gateway whose files are in a directory, without its container."""
    files = directory.generation_dir(generation)
    certificate = files / CERTIFICATE if (files / CERTIFICATE).exists() else None
    tokens = files / TOKENS
    closed = tokens.exists() and not tokens.stat().st_size
    return Gateway("", False, directory.token, certificate, guarded=tokens.exists(), closed=closed)


def _behind(server: Deployment, host: str, gateway: Gateway) -> Deployment:
    host_in_url, scheme = url_host(host), "https" if gateway.certificate or gateway.settings.get("tls") else "http"
    endpoints = Endpoints(f"{scheme}://{host_in_url}:{server.rest_port}", f"{host_in_url}:{server.grpc_port}")
    direct = server.endpoints if gateway.lost else None
    return replace(server, role=SERVING, endpoints=endpoints, gateway=gateway, direct_endpoints=direct)


def _labels(container: ContainerSummary) -> dict[str, str]:
    return {name.removeprefix(LABEL): value for name, value in container.labels.items() if name.startswith(LABEL)}


def _parse_gateway(container: ContainerSummary) -> GatewayContainer:
    labels = _labels(container)
    return GatewayContainer(
        id=container.id,
        name=labels["name"],
        env=labels["env"],
        generation=labels["generation"],
        digest=labels["gateway_digest"],
        host=labels["host"],
        rest_port=int(labels["rest_port"]),
        grpc_port=int(labels["grpc_port"]),
        directory=GatewayDir(Path(labels["gateway"])),
        running=container.running,
        accepted=not set(container.names).isdisjoint(
            gateway_name(project, labels["name"], labels["env"]) for project in _projects(labels)
        ),
        settings=dict(json.loads(labels.get("settings", "{}"))),
        temporary_settings=_temporary(labels),
        paused=container.paused,
    )


def _parse_server(
    container: ContainerSummary, active_gateways: Mapping[tuple[str, str], GatewayContainer]
) -> Deployment:
    labels = _labels(container)
    server = _direct_deployment(container, labels)
    if not server.slot:
        return server
    directory = GatewayDir(Path(labels["gateway"]))
    active = directory.active()
    serves = _role(container.names, labels) == SERVING if active is None else active.slot == server.slot
    if not serves:
        return server
    if gateway := active_gateways.get((server.name, server.env)):
        return behind_gateway(server, gateway)
    return _behind(server, labels["host"], _gateway(directory, active.generation if active else ""))


def _direct_deployment(container: ContainerSummary, labels: Mapping[str, str]) -> Deployment:
    """Return a server with its own address."""
    slot, directory = labels.get("slot", ""), Path(labels["folder"])
    host = url_host(labels["address"] if slot else labels["host"])
    rest, grpc = int(labels["own_rest_port"]), int(labels["own_grpc_port"])
    return Deployment(
        name=labels["name"],
        env=labels["env"],
        engine="docker",
        release=labels["release"],
        role=CANDIDATE if slot else _role(container.names, labels),
        models=_current_models(directory, labels["models"]),
        endpoints=Endpoints(f"http://{host}:{rest}", f"{host}:{grpc}"),
        rest_port=int(labels["rest_port"]),
        grpc_port=int(labels["grpc_port"]),
        server_digest=labels["digest"],
        created=container.created,
        running=container.running,
        pid=None,
        directory=directory,
        image=labels.get("image_digest", ""),
        image_id=labels.get("image", ""),
        image_name=labels.get("image_name", ""),
        store=Path(labels["store"]) if labels.get("store") else None,
        reloading_to=run_dir.reload_target(directory),
        slot=slot,
        host=labels["host"],
        project=labels.get("project", ""),
        config_lost=_is_lost(directory),
        settings=_settings(labels),
        temporary_settings=_temporary(labels),
        flags=tuple((name, value) for name, value in json.loads(labels["flags"])) if "flags" in labels else None,
        environment=tuple(map(str, json.loads(labels["environment"]))) if "environment" in labels else None,
        paused=container.paused,
        image_tables=tuple(container.labels[TABLES_LABEL].split()) if TABLES_LABEL in container.labels else None,
    )


def _temporary(labels: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(map(str, json.loads(labels.get("temporary", "[]"))))


def _settings(labels: Mapping[str, str]) -> dict[str, object]:
    """Return the recorded settings; containers of older versions record the image and the store only."""
    if "settings" in labels:
        return dict(json.loads(labels["settings"]))
    known = {"image": labels.get("image_name"), "store": labels.get("store")}
    return {name: value for name, value in known.items() if value}


def _is_lost(directory: Path) -> bool:
    """Return whether the directory that the container reads is gone: labels show only what it started with."""
    try:
        return not directory.is_dir()
    except OSError:
        return False


def _role(names: Iterable[str], labels: Mapping[str, str]) -> str:
    name, env, release = labels["name"], labels["env"], labels["release"]
    serving = {
        container_name(project, name, env, *more) for project in _projects(labels) for more in ((), (release, RETIRING))
    }
    return SERVING if serving & set(names) else CANDIDATE


def _projects(labels: Mapping[str, str]) -> tuple[str, str]:
    """Return the projects that a container may be named for: its own, and none as before there were projects."""
    return labels.get("project", ""), ""


def _current_models(directory: Path, label: str) -> tuple[ServedModel, ...]:
    # Labels cannot be changed: a reload records its models next to the container's configuration.
    reloaded = directory / MODELS_FILE
    return models_from(reloaded.read_text() if reloaded.is_file() else label)

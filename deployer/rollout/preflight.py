"""Checks that run before anything is exported or started: sources, other engines, the platform, the ports."""

from __future__ import annotations

import dataclasses

from deployer import engines
from deployer.config.server import Server
from deployer.config.spec import Spec
from deployer.engines.base import Address, Engine
from deployer.errors import ConfigError, EngineConflict, EngineError, EngineUnavailable, NotOurs
from deployer.results.deployment import Deployment
from deployer.rollout.export_options import ExportOptions
from deployer.rollout.workspace import Workspace


def check_sources(spec: Spec, options: ExportOptions) -> None:
    """Refuse sources that are not there, and options that mean nothing for them: a quick look. Raises ModelError."""
    from deployer import export as exporter

    for name, model in spec.models.items():
        if model.source is not None:
            exporter.check(options.for_model(name, model).request(model.source))


def check_other_engines(workspace: Workspace, name: str) -> Workspace:
    """The workspace, once it is known that no engine which was left out has a deployment of this name, too; with a note
    where one that had it cannot be asked. Raises EngineConflict.
    """
    key = (name, workspace.spec.env)
    if workspace.spec.engine == "auto":
        return workspace
    with workspace.suggest_embedded(name):
        if workspace.engine.observe(*key) is not None:
            return workspace
    left_out = engines.beside(workspace.spec)
    absence = left_out.absence
    for other in left_out.engines:
        try:
            found = other.observe(*key)
        except EngineError as error:
            absence = error.message
            continue
        if found is not None:
            raise _on_another(workspace, name, other)
    if not absence or not workspace.was_on_docker(name):
        return workspace
    note = f"{name} [{workspace.spec.env}] was on docker, too, which could not be asked for it: {absence}"
    return dataclasses.replace(workspace, unchecked_engine=note)


def _on_another(workspace: Workspace, name: str, other: Engine) -> EngineConflict:
    here, there = workspace.engine.traits.name, other.traits.name
    return EngineConflict(
        f"{name} [{workspace.spec.env}] is on the {there} engine already: on {here} it would be a second one of "
        "that name",
        hint=f"deployer down {workspace.cli_target(name)} --engine {there} takes it down there; "
        f"--engine {there} goes on there; another --env or "
        "--name keeps both",
    )


_OF_STRANGERS = (
    "it is left alone: choose another --name or --project, have the folder that it comes from take it up or down, or "
    "remove it yourself"
)


def check_platform(workspace: Workspace) -> None:
    """Refuse before anything is started: an unfit engine, a taken port. Raises EngineError."""
    with workspace.suggest_embedded(workspace.spec.deployment):
        for finding in workspace.engine.preflight.platform():
            if finding.severity == "error":
                raise EngineUnavailable(finding.message, hint=finding.remedy)
    from deployer.config import hosts

    server = workspace.spec.server
    hosts.check_family(server.address)
    address = Address(server.address, server.rest_port, server.grpc_port)
    name, env = workspace.spec.deployment, workspace.spec.env
    if strangers := workspace.engine.inventory.strangers(name, env):
        raise NotOurs("; ".join(strangers), hint=_OF_STRANGERS)
    for lost in workspace.engine.inventory.lost(name, env):
        raise EngineError(
            f"a server of {name} [{env}] still runs, as process {lost.pid}, and its state directory is lost",
            hint=f"deployer down {workspace.cli_target(name)} ends it",
        )
    if server.rest_port or server.grpc_port:
        _check_other_protocol(server, workspace.engine.observe(name, env))
    workspace.engine.preflight.address(name, env, address)


def _check_other_protocol(server: Server, there: Deployment | None) -> None:
    """Refuse for one protocol the port that the deployment has for the other one. Raises ConfigError."""
    if there is None or not (there.gateway.running if there.gateway else there.running):
        return
    for protocol, wanted, other, held in (
        ("REST", server.rest_port, "gRPC", there.grpc_port),
        ("gRPC", server.grpc_port, "REST", there.rest_port),
    ):
        if wanted and wanted == held:
            raise ConfigError(
                f"REST and gRPC cannot share port {wanted}: it is the {other} port of {there.name} [{there.env}]",
                hint=f"choose another {protocol} port; a server keeps its ports until the next one is proven",
            )

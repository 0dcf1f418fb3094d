"""Checks that run before anything is exported or started: sources, other engines, the platform, the ports."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from deployer import engines
from deployer.config import hosts, loader
from deployer.config.server import Server
from deployer.config.spec import Spec
from deployer.engines.base import Address, Engine
from deployer.errors import (
    ConfigError,
    EngineConflict,
    EngineError,
    EngineUnavailable,
    ExtraMissing,
    NotOurs,
    SourceNotFound,
)
from deployer.results.checks import MissingPackages
from deployer.results.deployment import DEFAULT_ENV, Deployment
from deployer.rollout.export_options import ExportOptions
from deployer.rollout.kept_settings import keep_settings
from deployer.rollout.launch import check_gpus, check_settings, check_variables
from deployer.rollout.notices import engine as engine_notices
from deployer.rollout.notices.collect import collect_notices
from deployer.rollout.setting_errors import name_origin
from deployer.rollout.workspace import Workspace


def check_before_export(workspace: Workspace, options: ExportOptions, target: str | None = None) -> Workspace:
    """Refuse what would fail after an export, which may take minutes; return the workspace, with a note if need be.

    Raises ModelError, ConfigError, SettingRefused, EngineConflict, EngineError.
    """
    spec = workspace.spec
    check_settings(spec, workspace.engine, workspace.origins)
    check_variables(spec, workspace.engine)
    workspace = check_other_engines(workspace, spec.deployment, target)
    if workspace.has_source:
        check_sources(spec, options)
        observed = workspace.engine.foresee(spec.deployment, spec.env)
        with collect_notices() as notices:
            kept = keep_settings(workspace, observed, of_file=False)
            notices.extend(engine_notices.notices(kept, observed))
            check_platform(kept)
            with name_origin(kept):
                check_gpus(kept.spec)
    return workspace


def check_sources(spec: Spec, options: ExportOptions) -> None:
    """Refuse sources that do not exist, and options that do not apply to them. Raises ModelError."""
    from deployer import export as exporter

    for name, model in spec.models.items():
        if model.source is not None:
            try:
                exporter.check(options.for_model(name, model).request(model.source))
            except SourceNotFound as error:
                if options.name != name:
                    key = f"models.{name}.source in deployer.toml names it"
                    error.hint = "; ".join(filter(None, (key, error.hint)))
                raise


def check_other_engines(workspace: Workspace, name: str, target: str | None = None) -> Workspace:
    """Refuse a name that is deployed on an engine which `--engine` excludes. Raises EngineConflict.

    The workspace that is returned has a note where such an engine does not answer.
    """
    key = (name, workspace.spec.env)
    if workspace.spec.engine == "auto":
        return workspace
    with workspace.suggest_embedded(name):
        if workspace.engine.observe(*key) is not None:
            return workspace
    excluded = engines.unselected_engines(workspace.spec)
    docker_problem = excluded.docker_problem
    for other in excluded.engines:
        try:
            observed = other.observe(*key)
        except EngineError as error:
            docker_problem = error.message
            continue
        if observed is not None:
            raise _deployed_on(workspace, name, other, target)
    if not docker_problem or not workspace.was_on_docker(name):
        return workspace
    note = f"{name} [{workspace.spec.env}] was also on docker, which does not answer: {docker_problem}"
    return dataclasses.replace(workspace, unchecked_engine=note)


def _deployed_on(workspace: Workspace, name: str, other: Engine, target: str | None) -> EngineConflict:
    engine, taken = workspace.engine.traits.name, other.traits.name
    from_target = target is not None and any(model.source == target for model in workspace.spec.models.values())
    ways = [workspace.env_option(env) for env in _free_environment(workspace, name, other)]
    ways += [f"--name {name}-{engine}"] if from_target and len(workspace.spec.models) == 1 else []
    keeps_both = f"; {' or '.join(ways)} keeps both" if ways else ""
    return EngineConflict(
        f"{name} [{workspace.spec.env}] is on the {taken} engine already: on {engine} it would be a second one of "
        "that name",
        hint=f"deployer down {workspace.cli_target(name, with_engine=False)} --engine {taken} takes it down there; "
        f"--engine {taken} goes on there{keeps_both}",
    )


def _free_environment(workspace: Workspace, name: str, other: Engine) -> Iterator[str]:
    """Yield an environment in which neither engine has the deployment."""
    listed = [env for env in loader.environments(workspace.settings.config) if env != DEFAULT_ENV]
    for env in (*listed, workspace.engine.traits.name):
        if env != workspace.spec.env and not any(each.observe(name, env) for each in (workspace.engine, other)):
            yield env
            return


_FOREIGN_HINT = (
    "it is left alone: choose another --name or --project, have the directory that it comes from take it up or down, "
    "or remove it yourself"
)


def check_platform(workspace: Workspace) -> None:
    """Refuse an engine that cannot run servers, a name of another project, and a port that is taken.

    Raises EngineError, ExtraMissing, ConfigError.
    """
    with workspace.suggest_embedded(workspace.spec.deployment):
        for finding in workspace.engine.preflight.platform():
            if isinstance(finding, MissingPackages):
                docker = workspace.docker_problem
                hint = f"{finding.remedy}; or use a Docker Engine: {docker}" if docker else finding.remedy
                raise ExtraMissing(finding.message, hint=hint)
            if finding.severity == "error":
                raise EngineUnavailable(finding.message, hint=finding.remedy)
    server = workspace.spec.server
    if not workspace.engine.traits.machine:
        hosts.check_family(server.address)
    address = Address(server.address, server.rest_port, server.grpc_port)
    name, env = workspace.spec.deployment, workspace.spec.env
    if strangers := workspace.engine.inventory.conflicts(name, env):
        raise NotOurs("; ".join(strangers), hint=_FOREIGN_HINT)
    for lost in workspace.engine.inventory.lost(name, env):
        raise EngineError(
            f"a server of {name} [{env}] still runs, as process {lost.pid}, and its state directory is lost",
            hint=f"deployer down {workspace.cli_target(name)} ends it",
        )
    if server.rest_port or server.grpc_port:
        _check_other_protocol(server, workspace.engine.foresee(name, env))
    with name_origin(workspace):
        workspace.engine.preflight.address(name, env, address)


def _check_other_protocol(server: Server, observed: Deployment | None) -> None:
    """Refuse for one protocol the port that the deployment uses for the other. Raises ConfigError."""
    if observed is None or not (observed.gateway.running if observed.gateway else observed.running):
        return
    for protocol, port, other, taken in (
        ("REST", server.rest_port, "gRPC", observed.grpc_port),
        ("gRPC", server.grpc_port, "REST", observed.rest_port),
    ):
        if port and port == taken:
            raise ConfigError(
                f"REST and gRPC cannot share port {port}: it is the {other} port of {observed.name} [{observed.env}]",
                hint=f"choose another {protocol} port; a server keeps its ports until the next one is proven",
            )

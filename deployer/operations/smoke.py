"""`smoke`: verify a running deployment, or any model server, as a deploy does."""

from __future__ import annotations

import shlex
from contextlib import closing

from deployer.client.address import parse_grpc, parse_rest
from deployer.client.client import Client
from deployer.config.options import Settings
from deployer.results.deployment import Endpoints
from deployer.results.running import SmokeResult
from deployer.rollout import image_source, killed_releases, lookup, lost_versions
from deployer.rollout.desired import desired_spec
from deployer.rollout.export_options import ExportOptions
from deployer.rollout.launch import resolve_models
from deployer.rollout.targets import TO_RENDER
from deployer.rollout.workspace import open_workspace
from deployer.verification import smoke as verification


def smoke(name: str | None = None, *, settings: Settings | None = None) -> SmokeResult:
    """Verify every version that a deployment serves; failed checks are in the report.

    Raises DeploymentNotFound, NotRunning, ModelNotFound.
    """
    workspace = open_workspace(settings or Settings(), "smoke")
    deployment = lookup.find_running(workspace, name)
    workspace = image_source.serving(workspace, deployment)
    with lost_versions.suggest_recovery(workspace):
        served = [(each, number) for each in deployment.models for number in each.versions]
        models = [lost_versions.served_version(workspace, deployment, *each) for each in served]
    engine = workspace.for_deployment(deployment.name).engine
    notices = killed_releases.killed_notes(workspace.ledger_of(engine), engine, deployment)
    report = verification.verify(workspace.client(deployment), models, workspace.tolerance)
    return SmokeResult(deployment.name, deployment.env, deployment.endpoints, report, notices)


def smoke_at(rest: str, grpc: str, target: str | None = None, *, settings: Settings | None = None) -> SmokeResult:
    """Verify the server at a REST and a gRPC address, which need not be one of this tool.

    `target` is a model or a version of the store; without one, the models in `deployer.toml` are verified. Raises
    ModelNotFound, InvalidValue, UsageError.
    """
    workspace = open_workspace(settings or Settings(), "smoke")
    endpoints = Endpoints(parse_rest(rest).url, parse_grpc(grpc).host_port)
    address = f"--url {shlex.quote(rest)} --grpc {shlex.quote(grpc)}{workspace.up_options}"
    with lost_versions.suggest_recovery(workspace, target, f"deployer smoke {{}} {address}"):
        spec = desired_spec(workspace, target, ExportOptions(), TO_RENDER)
        models = [model for each in resolve_models(spec, workspace.store) for model in each.models]
    name = spec.deployment
    with closing(Client(endpoints, spec.gate.request_seconds)) as client:
        report = verification.verify(client, models, workspace.tolerance)
    return SmokeResult(name, spec.env, endpoints, report)

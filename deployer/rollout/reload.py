"""Reloads a running server with other models, without a gap, and recovers a reload that was interrupted."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable

from deployer.config import render
from deployer.errors import DeployerError, ModelNotFound, NotReady
from deployer.results.deployment import Deployment
from deployer.results.launch import MODEL_CONFIG
from deployer.results.served import ServedModel, format_models
from deployer.results.steps import (
    LoadVersions,
    RecordModels,
    Reload,
    Step,
)
from deployer.rollout import killed_releases, lost_versions
from deployer.rollout.journal import Journal
from deployer.rollout.plan import reload_steps
from deployer.rollout.readiness import await_models, await_withdrawn
from deployer.rollout.workspace import Workspace
from deployer.store.store import Store

Models = tuple[ServedModel, ...]


def perform(step: Step, workspace: Workspace, server: Deployment) -> Deployment:
    """Perform one step of a reload, and return the server as it is then."""
    match step:
        case LoadVersions(models=models):
            _apply(workspace, server, models)
        case Reload(models=models, before=before):
            _apply(workspace, server, models)
            await_withdrawn(workspace, server, before, models)
            return dataclasses.replace(server, models=models)
        case RecordModels(models=models):
            return workspace.engine.mark_serving(server, models)
        case _:
            raise RuntimeError(f"{step.kind} is not a step of a reload")
    return server


def restore(workspace: Workspace, server: Deployment, models: Models, journal: Journal) -> None:
    """Have a server serve the models from before a reload again, however far that came."""
    current = workspace.engine.observe(server.name, server.env) or server
    if current.reloading_to is not None:
        current = _restore_recorded(workspace, current, journal)
    if current.models != models:
        _reload(workspace, current, current.models, models, journal)


def recover_interrupted(workspace: Workspace, name: str, env: str, notices: list[str]) -> Deployment | None:
    """Finish or undo what killed commands left, and return the deployment as it is then.

    Call it while the deployment is locked. What was recovered is added to `notices`.
    """
    engine, ledger = workspace.engine, workspace.ledger
    recovered = engine.recover(name, env)
    killed = ledger.under_way(name, env, engine.traits.name)
    notices.extend((*ledger.mark_interrupted(name, env, engine.traits.name), *recovered))
    observed = engine.observe(name, env)
    if observed is None or not observed.running or observed.reloading_to is None:
        notices.extend(killed_releases.conclude(ledger, killed, observed))
        if observed is not None and observed.running and recovered:
            _await_recovered(workspace, observed)
        return observed
    notices.append(
        f"a reload was killed before it was accepted, and is undone: {format_models(observed.models)} is served again"
    )
    try:
        return _restore_recorded(workspace, observed, lambda _: None)
    except DeployerError as error:
        restart = f"deployer down {workspace.cli_target(name)}, then up: its server does not load what it served before"
        error.hint = error.hint or restart
        raise


def only_stored(store: Store, coming: Models = ()) -> Callable[[Models], Models]:
    """Return a filter that leaves out versions which are not in a store; those of `coming` are exported before."""
    exported = {model.name: model.versions for model in coming}

    def leave_out_lost(models: Models) -> Models:
        left = (_only(model, {*store.versions(model.name), *exported.get(model.name, ())}) for model in models)
        return tuple(model for model in left if model.versions)

    return leave_out_lost


def store_of(workspace: Workspace, server: Deployment) -> Store:
    """Return the store that a server loads its versions from."""
    return Store(server.store) if server.store else workspace.store


def _restore_recorded(workspace: Workspace, server: Deployment, journal: Journal) -> Deployment:
    """Return to the models that the engine has recorded, after a reload that was killed."""
    # The server is at the step whose models were noted, or at the one before. Applying them again is harmless, and
    # makes sure of where the server is.
    half_way = only_stored(store_of(workspace, server))(server.reloading_to or ()) or server.models
    _require_versions(workspace, server, server.models)
    _apply(workspace, server, half_way)
    return _reload(workspace, server, half_way, server.models, journal)


def _reload(workspace: Workspace, server: Deployment, before: Models, after: Models, journal: Journal) -> Deployment:
    for step in reload_steps(before, after, only_stored(store_of(workspace, server))):
        journal(step)
        server = perform(step, workspace, server)
    return server


def _require_versions(workspace: Workspace, server: Deployment, models: Models) -> None:
    """Refuse versions that do not exist: a server that is configured with them unloads all. Raises ModelNotFound."""
    store = store_of(workspace, server)
    if missing := ", ".join(store.missing_versions(models)):
        lost = next(model for model in models if store.missing_versions((model,)))
        remedy = lost_versions.recovery_command(workspace, server, lost)
        raise ModelNotFound(f"{missing} is no longer in {store.root}", hint=remedy)


def _apply(workspace: Workspace, server: Deployment, models: Models) -> None:
    """Give a server its model config, and wait until all models are AVAILABLE."""
    _require_versions(workspace, server, models)
    spec, engine = workspace.spec, workspace.engine
    root = engine.traits.models_root(spec.models_dir)
    rendered = render.render(models, root, spec.batching, spec.monitoring, spec.templates_dir)
    engine.write_config(server, rendered, models)
    workspace.client(server).reload(rendered.files[MODEL_CONFIG])
    await_models(workspace, server, models)


def _await_recovered(workspace: Workspace, observed: Deployment) -> None:
    with contextlib.suppress(NotReady):  # the change that follows may repair it
        await_models(workspace, observed, observed.models)


def _only(model: ServedModel, stored: set[int]) -> ServedModel:
    labels = tuple((label, version) for label, version in model.labels if version in stored)
    return ServedModel(model.name, tuple(version for version in model.versions if version in stored), labels)

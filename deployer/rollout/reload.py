"""Has a running server take up other models without a gap, and settles what a killed command left half done."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection

from deployer.config import render
from deployer.errors import DeployerError, ModelNotFound, NotReady
from deployer.results.deployment import MODEL_CONFIG, Deployment, ServedModel, cli_name, format_models
from deployer.results.plan import LoadVersions, RecordModels, Reload, Step
from deployer.rollout import lost_versions
from deployer.rollout import plan as planning
from deployer.rollout.readiness import await_models, await_withdrawn
from deployer.rollout.workspace import Workspace
from deployer.store.store import Store

Models = tuple[ServedModel, ...]


def load(step: LoadVersions, workspace: Workspace, server: Deployment) -> Deployment:
    """Load versions beside those that are served."""
    _take_up(workspace, server, step.models)
    return server


def switch(step: Reload, workspace: Workspace, server: Deployment) -> Deployment:
    """Serve other models; done once no request reaches the ones before."""
    _take_up(workspace, server, step.models)
    await_withdrawn(workspace, server, step.before, step.models)
    return server


def record(step: RecordModels, workspace: Workspace, server: Deployment) -> Deployment:
    """Have the engine know the server for its models."""
    return workspace.engine.mark_serving(server, step.models)


def restore(workspace: Workspace, server: Deployment, models: Models, journal: Callable[[Step], None]) -> None:
    """Have a server serve again what it served, however far a reload came."""
    current = workspace.engine.observe(server.name, server.env) or server
    if current.reloading_to is not None:
        current = _recorded_again(workspace, current, journal)
    if current.models != models:
        _reload(workspace, current, current.models, models, journal)


def recover_interrupted(workspace: Workspace, name: str, env: str, notices: list[str]) -> Deployment | None:
    """What serves, once all that killed commands left is finished or undone, which `notices` say. Call it with the lock
    held.
    """
    mended = workspace.engine.recover(name, env)
    notices.extend((*workspace.ledger.interrupted(name, env, workspace.engine.traits.name), *mended))
    observed = workspace.engine.observe(name, env)
    if observed is None or not observed.running:
        return observed
    if observed.reloading_to is None:
        if mended:
            _await_recovered(workspace, observed)
        return observed
    notices.append(f"a reload was killed half-way: {format_models(observed.models)} is served again")
    try:
        return _recorded_again(workspace, observed, lambda _: None)
    except DeployerError as error:
        again = f"deployer down {cli_name(name, env)}, then up: its server does not take up what it served"
        error.hint = error.hint or again
        raise


def in_store(store: Store, coming: Models = ()) -> Callable[[Models], Models]:
    """Leaves of models the versions that are still in a store: a server may have one that somebody has removed. Those
    of `coming` will be there, too: they may be exported first.
    """
    exported = {model.name: model.versions for model in coming}

    def there(models: Models) -> Models:
        left = (_only(model, {*store.versions(model.name), *exported.get(model.name, ())}) for model in models)
        return tuple(model for model in left if model.versions)

    return there


def store_of(workspace: Workspace, server: Deployment) -> Store:
    """Where a server finds its versions."""
    return Store(server.store) if server.store else workspace.store


def _recorded_again(workspace: Workspace, server: Deployment, journal: Callable[[Step], None]) -> Deployment:
    """Back to what is recorded, after a reload that was killed.

    The server is at the step whose models were noted, or at the one before it: taking that step again is harmless,
    and where the server is is known then.
    """
    half_way = in_store(store_of(workspace, server))(server.reloading_to or ()) or server.models
    _require_versions(workspace, server, server.models)
    _take_up(workspace, server, half_way)
    return _reload(workspace, server, half_way, server.models, journal)


def _reload(
    workspace: Workspace, server: Deployment, there: Models, models: Models, journal: Callable[[Step], None]
) -> Deployment:
    handlers = {LoadVersions: load, Reload: switch, RecordModels: record}
    for step in planning.reload_steps(there, models, in_store(store_of(workspace, server))):
        journal(step)
        server = handlers[type(step)](step, workspace, server)  # type: ignore[operator]
    return server


def _require_versions(workspace: Workspace, server: Deployment, models: Models) -> None:
    """A server that is told of versions that are not there unloads what it has. Raises ModelNotFound."""
    store = store_of(workspace, server)
    if lacking := ", ".join(store.lacking(models)):
        lost = next(model for model in models if store.lacking((model,)))
        remedy = lost_versions.recovery_command(workspace, server, lost)
        raise ModelNotFound(f"{lacking} is no longer in {store.root}", hint=remedy)


def _take_up(workspace: Workspace, server: Deployment, models: Models) -> None:
    _require_versions(workspace, server, models)
    spec, engine = workspace.spec, workspace.engine
    root = engine.traits.models_root(spec.models_dir)
    rendered = render.render(models, root, spec.batching, spec.monitoring, spec.templates_dir)
    engine.write_config(server, rendered, models)
    workspace.client(server).reload(rendered.files[MODEL_CONFIG])
    await_models(workspace, server, models)


def _await_recovered(workspace: Workspace, observed: Deployment) -> None:
    """What was brought back is loading. Where it does not come up, the change that follows may be what mends it."""
    with contextlib.suppress(NotReady):
        await_models(workspace, observed, observed.models)


def _only(model: ServedModel, there: Collection[int]) -> ServedModel:
    labels = tuple((label, version) for label, version in model.labels if version in there)
    return ServedModel(model.name, tuple(version for version in model.versions if version in there), labels)

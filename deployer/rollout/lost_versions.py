"""Hints for versions that a deployment serves and the store has lost: the same for every command."""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from deployer.config.spec import ModelSpec
from deployer.errors import DeployerError, EngineError, ModelNotFound, SourceNotFound
from deployer.results.deployment import Deployment
from deployer.results.model import NAME, Model
from deployer.results.served import ServedModel
from deployer.rollout import next_steps
from deployer.rollout.targets import next_version
from deployer.rollout.workspace import Workspace

ANSWER_SECONDS = 5.0
TAKES_ALL = ("deployer up", "deployer plan", "deployer render", "deployer image")
"""The commands that without a target are for all models of `deployer.toml`."""


@contextmanager
def suggest_recovery(workspace: Workspace, target: str | None = None, command: str = "") -> Iterator[None]:
    """Add a hint to an error about a version that the store has lost, or a deployment in the place of a model.

    `target` may name the model. `command` is what was typed, with `{}` in the place of the model.
    """
    try:
        yield
    except ModelNotFound as error:
        hint = recovery_hint(workspace, error.model, error.version) or _models_hint(workspace, error.model, command)
        error.hint = hint or error.hint
        raise
    except SourceNotFound as error:
        hint = recovery_hint(workspace, target or "") or _models_hint(workspace, target or "", command)
        error.hint = hint or error.hint
        raise


def _models_hint(workspace: Workspace, name: str, command: str) -> str:
    """Return the hint to the models of the deployment `name`; empty if there is none, or it has a model `name`."""
    spec = workspace.spec
    listed = [tuple(spec.models)] if name == spec.name else []
    served = (tuple(model.name for model in each.models) for each in _observed(workspace) if each.name == name)
    models = next(filter(None, (*listed, *served)), ())
    if not models or name in models:
        return ""
    commands = [f"{command.replace('{}', models[0], 1)} is for {models[0]}"] if command else []
    if listed and command.startswith(TAKES_ALL):
        commands.append(f"{command.replace(' {}', '', 1)} for all of them")
    shown = f": {', '.join(commands)}" if commands else ""
    return f"{name} is a deployment, and its models are {', '.join(models)}{shown}"


def recovery_hint(workspace: Workspace, name: str, version: int | None = None) -> str:
    """Return the hint that recovers a served model, or one version of it; empty if it was not lost."""
    if not NAME.fullmatch(name):
        return ""
    for deployment in _observed(workspace):
        if deployment.in_image:
            continue  # its versions come from no store
        if hint := _other_store_hint(workspace, deployment, name, version):
            return hint
        stored = _with_store_of(workspace, deployment).store.versions(name)
        for served in deployment.models:
            lost = [each for each in served.versions if each not in stored]
            if served.name == name and lost and (version in lost or not stored):
                return recovery_command(workspace, deployment, served)
    return ""


def served_version(workspace: Workspace, deployment: Deployment, served: ServedModel, version: int) -> Model:
    """Return a served version from the store. Raises ModelNotFound, also if another store's version is served."""
    stored = workspace.store.get(served.name, version)
    if not serves(workspace, deployment, served, stored):
        label = f"{served.name}:{version}"
        message = f"{label} of {workspace.store.root} is not the {label} that is served"
        raise ModelNotFound(message, model=served.name, version=version)
    return stored


def serves(workspace: Workspace, deployment: Deployment, served: ServedModel, stored: Model) -> bool:
    """Return whether a deployment serves a version of the store, not one of another store with the same number."""
    version, digests = stored.version, ("", stored.digest)
    is_same = not _is_from_another_store(workspace, deployment) or served.digest_of(version) in digests
    return version in served.versions and is_same


def _is_from_another_store(workspace: Workspace, deployment: Deployment) -> bool:
    return deployment.store not in (None, workspace.spec.models_dir.resolve())


def _with_store_of(workspace: Workspace, deployment: Deployment) -> Workspace:
    """Return the workspace with the store that a deployment loads its versions from, and the option that chooses it."""
    if not _is_from_another_store(workspace, deployment) or deployment.store is None:
        return workspace
    spec = dataclasses.replace(workspace.spec, models_dir=deployment.store)
    return dataclasses.replace(
        workspace, spec=spec, settings=dataclasses.replace(workspace.settings, models_dir=deployment.store)
    )


def _other_store_hint(workspace: Workspace, deployment: Deployment, name: str, version: int | None) -> str:
    """Return the option that names the store of a deployment, if that is another one and has the version."""
    if not _is_from_another_store(workspace, deployment):
        return ""
    theirs = _with_store_of(workspace, deployment)
    versions = theirs.store.versions(name)
    if not versions or version not in (None, *versions):
        return ""
    return f"{deployment.name} is deployed from another store: add{theirs.store_option}"


def highest_served(workspace: Workspace, name: str) -> int:
    """Return the highest version of a model that is served from the workspace's store; 0 for none.

    An export must not use its number, even if the store has lost it: a server never reloads a version that it has.
    """
    own = (None, workspace.spec.models_dir.resolve())
    observed = _observed(workspace, all_envs=True)
    served = (model for each in observed if each.store in own for model in each.models)
    return max((version for model in served if model.name == name for version in model.versions), default=0)


def recovery_command(workspace: Workspace, deployment: Deployment, served: ServedModel) -> str:
    """Return the hint for a served model of which the store of its deployment has lost a version or all."""
    other_store = (
        f"; {deployment.name} is deployed from that store" if _is_from_another_store(workspace, deployment) else ""
    )
    workspace = _with_store_of(workspace, deployment)
    stored = workspace.store.versions(served.name)
    lost = [each for each in served.versions if each not in stored]
    names = ", ".join(f"{served.name}:{each}" for each in lost or served.versions)
    directory = workspace.store.root / served.name
    restore = f"put {shlex.quote(str(directory / str(lost[0]) if stored and lost else directory))} back"
    status = f"deployer status {workspace.cli_target(deployment.name)}"
    state = f"{status} shows whether {names} is still served" if deployment.running else f"{names} is not served now"
    return f"{export_command(workspace, served.name, deployment)}; or {restore}: {state}{other_store}"


def export_command(workspace: Workspace, name: str, deployment: Deployment) -> str:
    """Return the hint with the command that exports a model again and serves it."""
    options = workspace.cli_target("")
    store = workspace.store_option
    listed = workspace.spec.models.get(name)
    if listed is not None and listed.source is not None:
        change, then = _listed_change(workspace, name, listed), "then exports"
        return f"{change}deployer up{options}{store} {then if change else 'exports'} {name} again, from {listed.source}"
    newest = next_steps.newest_source(Path.cwd(), name)
    source = shlex.quote(newest) if newest else "SOURCE"
    if deployment.name == name:
        return f"deployer up {source} --name {name}{options}{store} exports {name} again and serves that"
    export = f"deployer export {source} --name {name}{workspace.store_options}"
    model = f" --model {name}" if len(deployment.models) > 1 else ""
    return f"{export} exports {name} again; deployer redeploy {deployment.name}{options}{model}{store} serves that"


def _listed_change(workspace: Workspace, name: str, listed: ModelSpec) -> str:
    """Return the change of `deployer.toml` without which `up` refuses: it lists versions that no export makes."""
    store = workspace.store
    new = next_version(store, name, listed.source or "", served=highest_served(workspace, name))
    existing = {*store.versions(name), new}
    lists = {"versions": listed.versions, "labels": listed.labels.values()}
    keys = [f"models.{name}.{key}" for key, versions in lists.items() if not existing.issuperset(versions)]
    return f"write {new} in {' and '.join(keys)} of deployer.toml, or leave that out: " if keys else ""


def served_without_files(workspace: Workspace) -> tuple[tuple[str, int], ...]:
    """Return (name, version) of each version that a server has loaded from a directory which the store has lost.

    Call it before an export: a server that finds the model's directory again, without the version, unloads it.
    """
    own = (None, workspace.spec.models_dir.resolve())
    mounting = {engine.traits.name for engine in workspace.engines if engine.traits.models_mount}
    blind = set() if workspace.store.root.is_dir() else mounting  # a container keeps the directory that it has mounted
    observed = (each for each in _observed(workspace, all_envs=True) if each.running and each.engine not in blind)
    running = (each for each in observed if each.store in own)
    return tuple(dict.fromkeys(version for each in running for version in _loaded_without_files(workspace, each)))


def _loaded_without_files(workspace: Workspace, deployment: Deployment) -> Iterator[tuple[str, int]]:
    for served in deployment.models:
        if not (workspace.store.root / served.name).is_dir():
            from deployer.client.client import Client

            endpoints, gateway = deployment.client_route
            with contextlib.suppress(DeployerError):
                states = Client(endpoints, ANSWER_SECONDS, gateway, retry_seconds=0.0).states(served.name)
                loaded = {state.version for state in states if state.state == "AVAILABLE"}
                yield from ((served.name, version) for version in served.versions if version in loaded)


def unload_notices(lost: Iterable[tuple[str, int]], exported: Iterable[tuple[str, int]]) -> Iterator[str]:
    """Yield a notice for each version of `served_without_files` that the server of an exported model unloads."""
    new = dict(exported)
    for name, version in lost:
        if name in new:
            yield (
                f"{name}:{version} has no files any more: its server unloads it when it sees those of "
                f"{name}:{new[name]}, and answers 404 until that version serves"
            )


def unloaded_notices(workspace: Workspace) -> Iterator[str]:
    """Yield a notice for each deployment of the store with versions that its server has unloaded with their files.

    A server that finds the directory of a model without the version unloads it within seconds.
    """
    own = (None, workspace.spec.models_dir.resolve())
    for deployment in _observed(workspace, all_envs=True):
        watched = [each for each in deployment.models if (workspace.store.root / each.name).is_dir()]
        lost = workspace.store.missing_versions(watched) if deployment.running and deployment.store in own else ()
        if lost:
            yield (
                f"{', '.join(lost)} has no files any more: {deployment.name} [{deployment.env}] answers 404 for it, "
                "until the files are back or another version is deployed"
            )


def _observed(workspace: Workspace, *, all_envs: bool = False) -> tuple[Deployment, ...]:
    """Return the deployments of this environment, or of all, of the engines that answer."""
    deployments: list[Deployment] = []
    for engine in workspace.engines:
        with contextlib.suppress(EngineError):
            deployments += engine.inventory.observe_all()
    return tuple(each for each in deployments if all_envs or each.env == workspace.spec.env)

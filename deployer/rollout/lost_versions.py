"""What to type where a deployment serves a version that its store has lost: one hint, for every verb."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from deployer.errors import EngineError, ModelNotFound, SourceNotFound
from deployer.results.deployment import Deployment, ServedModel
from deployer.results.model import NAME, Model
from deployer.rollout import next_steps
from deployer.rollout.workspace import Workspace


@contextmanager
def suggest_recovery(workspace: Workspace, target: str | None = None) -> Iterator[None]:
    """Give an error about a version that the store does not have the hint, where it was lost; `target` is what was
    typed, which may name a model.
    """
    try:
        yield
    except ModelNotFound as error:
        error.hint = recovery_hint(workspace, error.model, error.version) or error.hint
        raise
    except SourceNotFound as error:
        error.hint = recovery_hint(workspace, target or "") or error.hint
        raise


def recovery_hint(workspace: Workspace, name: str, version: int | None = None) -> str:
    """What brings back a version of a model that this project serves, or the model where nothing of it is left; empty
    where it was not lost.
    """
    if not NAME.fullmatch(name):
        return ""
    there = workspace.store.versions(name)
    for deployment in _observed(workspace):
        for served in deployment.models:
            lost = [each for each in served.versions if each not in there]
            if served.name == name and lost and (version in lost or not there):
                return recovery_command(workspace, deployment, served)
    return ""


def highest_served(workspace: Workspace, name: str) -> int:
    """The highest version of a model that is served from the workspace's store, which may have lost it; 0 for none. No
    other version may get its number: a server keeps what it has loaded under that.
    """
    own = (None, workspace.spec.models_dir.resolve())
    served = (model for each in _observed(workspace) if each.store in own for model in each.models)
    return max((version for model in served if model.name == name for version in model.versions), default=0)


def recovery_command(workspace: Workspace, deployment: Deployment, served: ServedModel) -> str:
    """What to type where the store has lost a model that a deployment serves, or a version of it."""
    there = workspace.store.versions(served.name)
    lost = [each for each in served.versions if each not in there]
    what = ", ".join(f"{served.name}:{each}" for each in lost or served.versions)
    folder = workspace.store.root / served.name
    back = f"put {shlex.quote(str(folder / str(lost[0]) if there and lost else folder))} back"
    status = f"deployer status {workspace.cli_target(deployment.name)}"
    still = f"{status} shows whether {what} is still served" if deployment.running else f"{what} is not served now"
    return f"{export_command(workspace, served.name, deployment)}; or {back}: {still}"


def export_command(workspace: Workspace, name: str, deployment: Deployment) -> str:
    """The command that makes a version of a model again and serves it."""
    options = workspace.cli_target(deployment.name).removeprefix(deployment.name)
    store = workspace.store_option
    listed = workspace.spec.models.get(name)
    if listed is not None and listed.source is not None:
        return f"deployer up{options}{store} exports {name} again, from {listed.source}"
    source = shlex.quote(found) if (found := next_steps.newest_source(Path.cwd(), name)) else "SOURCE"
    if deployment.name == name:
        return f"deployer up {source} --name {name}{options}{store} exports {name} again and serves that"
    made = f"deployer export {source} --name {name}{store}"
    which = f" --model {name}" if len(deployment.models) > 1 else ""
    return f"{made} exports {name} again; deployer redeploy {deployment.name}{options}{which}{store} serves that"


def unloaded(lost: Iterable[tuple[str, int]], made: Iterable[Model]) -> Iterator[str]:
    """Say which of the versions that serve without files an export takes away: it makes the directory of the model
    again, and a server that finds the directory without its version unloads that."""
    new = {model.name: model.version for model in made}
    for name, version in lost:
        if name in new:
            yield (
                f"{name}:{version} has no files any more: its server unloads it when it sees those of "
                f"{name}:{new[name]}, and answers 404 until that version serves"
            )


def _observed(workspace: Workspace) -> tuple[Deployment, ...]:
    """What is deployed in this environment, by the engines that answer."""
    found: list[Deployment] = []
    for engine in workspace.engines:
        with contextlib.suppress(EngineError):
            found += (each for each in engine.inventory.observe_all() if each.env == workspace.spec.env)
    return tuple(found)

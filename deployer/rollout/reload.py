"""Has a running server take up other models without a gap, and settles what a killed command left half done."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Collection
from dataclasses import dataclass

from deployer.config import render
from deployer.errors import DeployerError, NoSuchModel, NotReady
from deployer.results.deployment import MODEL_CONFIG, Deployment, ServedModel, listed, typed
from deployer.rollout.readiness import await_models, await_withdrawn
from deployer.rollout.recording import Step, unrecorded
from deployer.rollout.workspace import Workspace
from deployer.store.store import Store

Models = tuple[ServedModel, ...]


@dataclass(frozen=True)
class Switch:
    """A running server that is to take up other models."""

    workspace: Workspace
    deployment: Deployment
    models_root: str
    step: Step = unrecorded

    def over(self, there: Models, wanted: Models) -> Deployment:
        """From what the server has to what it is to have; recorded on it only when all is AVAILABLE.

        Two steps, because a label may only point to a version that is loaded: load all, then say what stays.
        """
        union = _union(there, wanted)
        both = self._of_the_store(union)
        if not _same(both, there) and not _same(both, wanted):
            self._configure(both)
        self._configure(wanted)
        await_withdrawn(self.workspace, self.deployment, union, wanted)
        self.step(f"record that {listed(wanted)} is served")
        return self.workspace.engine.relabel(self.deployment, wanted)

    def settle(self) -> Deployment:
        """Back to what is recorded, after a reload that was killed.

        The server is at the step whose models were noted, or at the one before it: taking that step again is harmless,
        and where the server is is known then.
        """
        half_way = self._of_the_store(self.deployment.under_way or ()) or self.deployment.models
        self._look_first(self.deployment.models)
        self._configure(half_way)
        return self.over(half_way, self.deployment.models)

    @property
    def _store(self) -> Store:
        """Where the server looks."""
        return Store(self.deployment.store) if self.deployment.store else self.workspace.store

    def _of_the_store(self, models: Models) -> Models:
        """What of them is still there, be it not every version: the server may have one that somebody has removed."""
        return tuple(kept for model in models if (kept := _only(model, self._store.versions(model.name))).versions)

    def _look_first(self, models: Models) -> None:
        """A server that is told of versions that are not there unloads what it has. Raises NoSuchModel."""
        if lacking := ", ".join(self._store.lacking(models)):
            remedy = f"put it back; or deployer down {typed(self.deployment.name, self.deployment.env)}, then up"
            raise NoSuchModel(f"{lacking} is no longer in {self._store.root}", hint=remedy)

    def _configure(self, models: Models) -> None:
        self._look_first(models)
        self.step(f"have the server take up {listed(models)}")
        spec, engine = self.workspace.spec, self.workspace.engine
        rendered = render.render(models, self.models_root, spec.batching, spec.monitoring, spec.templates_dir)
        engine.configure(self.deployment, rendered, models)
        self.workspace.client(self.deployment).reload(rendered.files[MODEL_CONFIG])
        await_models(self.workspace, self.deployment, models)


def settled(workspace: Workspace, name: str, env: str, notices: list[str]) -> Deployment | None:
    """What serves, once all that killed commands left is finished or undone, which `notices` say. Call it with the lock
    held."""
    mended = workspace.engine.recover(name, env)
    notices.extend((*workspace.ledger.interrupted(name, env, workspace.engine.name), *mended))
    observed = workspace.engine.observe(name, env)
    if observed is None or not observed.running:
        return observed
    if observed.under_way is None:
        if mended:
            _up_again(workspace, observed)
        return observed
    notices.append(f"a reload was killed half-way: {listed(observed.models)} is served again")
    try:
        return Switch(workspace, observed, workspace.engine.models_root(workspace.spec.models_dir)).settle()
    except DeployerError as error:
        again = f"deployer down {typed(name, env)}, then up: its server does not take up what it served"
        error.hint = error.hint or again
        raise


def _up_again(workspace: Workspace, observed: Deployment) -> None:
    """What was brought back is loading. Where it does not come up, the change that follows may be what mends it."""
    with contextlib.suppress(NotReady):
        await_models(workspace, observed, observed.models)


def _only(model: ServedModel, there: Collection[int]) -> ServedModel:
    labels = tuple((label, version) for label, version in model.labels if version in there)
    return ServedModel(model.name, tuple(version for version in model.versions if version in there), labels)


def _same(one: Models, other: Models) -> bool:
    """For a server: by name, versions and labels."""
    return {(model.name, model.versions, model.labels) for model in one} == {
        (model.name, model.versions, model.labels) for model in other
    }


def _union(there: Models, wanted: Models) -> Models:
    """Every version of both, with the labels that are there already."""
    before = {model.name: model for model in there}
    both = [_together(before.pop(model.name, None), model) for model in wanted]
    return (*both, *before.values())


def _together(there: ServedModel | None, wanted: ServedModel) -> ServedModel:
    if there is None:
        return dataclasses.replace(wanted, labels=())
    return ServedModel(wanted.name, tuple(sorted({*there.versions, *wanted.versions})), there.labels)

"""Carries out a plan: nothing takes traffic unproven, what served goes on serving until then, and failure is undone."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from deployer import failures, render, smoke
from deployer.client import Client
from deployer.deployment import Change, Deployment, Launch, Plan, ServedModel
from deployer.engines.base import Engine
from deployer.errors import DeployerError, DeployFailed, GateRefused, NotReady
from deployer.golden import Tolerance
from deployer.model import Model
from deployer.operations.workspace import Progress, Workspace
from deployer.report import Report
from deployer.wait import Deadline, Observation, Readiness, until_ready

LOG_LINES = 15
PROMOTE_SECONDS = 15.0


@dataclass(frozen=True)
class Deploy:
    """One deploy under way."""

    workspace: Workspace
    launch: Launch
    models: tuple[Model, ...]
    progress: Progress

    @property
    def engine(self) -> Engine:
        """The engine that does it."""
        return self.workspace.engine

    def carry_out(self, plan: Plan, observed: Deployment | None) -> tuple[Deployment, Report]:
        """Do what the plan says. Raises NotReady, GateRefused, EngineError; then the old server still serves."""
        if observed is None or plan.change in (Change.CREATE, Change.REPLACE):
            return self._launch()
        if plan.change is Change.RELOAD:
            return self._reload(observed)
        return observed, self._still_available(observed)

    def _launch(self) -> tuple[Deployment, Report]:
        with self._candidate() as candidate:
            report = self._prove(candidate)
            self.progress("proven: opening its ports")
            deployment = self.engine.promote(candidate, PROMOTE_SECONDS, self._accept)
        return deployment, report

    def _accept(self, promoted: Deployment) -> None:
        """The last word before what served until now is given up: the server is up at its address."""
        with self._last_words(promoted):
            self._await(promoted, self.launch.models)

    def _reload(self, observed: Deployment) -> tuple[Deployment, Report]:
        with self._candidate() as candidate:
            self._prove(candidate)
            self.engine.discard(candidate)
        self.progress("proven: the serving server takes up its models")
        try:
            self._switch(observed)
            return self.engine.relabel(observed, self.launch), self._prove(observed)
        except DeployerError as error:
            self._switch_back(observed)
            raise DeployFailed(
                f"the models were taken back: {error.message}", hint=error.hint, log=error.log
            ) from error

    def _switch(self, observed: Deployment) -> None:
        """Two steps, because a label may only point to a version that is loaded: load all, then say what stays."""
        self._configure(observed, _union(observed.models, self.launch.models))
        self._configure(observed, self.launch.models)

    def _switch_back(self, observed: Deployment) -> None:
        self._configure(observed, observed.models)
        self.engine.relabel(observed, dataclasses.replace(self.launch, models=observed.models))

    def _configure(self, deployment: Deployment, models: tuple[ServedModel, ...]) -> None:
        spec = self.workspace.spec
        rendered = render.render(models, self.launch.models_root, spec.batching, spec.monitoring, spec.templates_dir)
        self.engine.configure(deployment, rendered)
        client = self.workspace.client(deployment)
        client.reload(rendered.files[render.MODEL_CONFIG])
        self._await(deployment, models)

    @contextmanager
    def _candidate(self) -> Iterator[Deployment]:
        """A candidate that is gone again when anything goes wrong; its last log lines go with the error."""
        self.engine.prepare(self.progress)
        self.progress(f"starting a candidate on the {self.engine.name} engine")
        try:
            candidate = self.engine.stage(self.launch)
            smoke.get_ready(self.models)  # while its server loads
            with self._last_words(candidate):
                yield candidate
        except BaseException:
            self.engine.sweep(self.launch.name, self.launch.env)
            raise

    @contextmanager
    def _last_words(self, candidate: Deployment) -> Iterator[None]:
        try:
            yield
        except DeployerError as error:
            error.log = error.log or tuple(self.engine.logs(candidate, LOG_LINES))
            error.hint = failures.explain(error.log) or self._doubt(error) or error.hint
            raise

    def _doubt(self, error: DeployerError) -> str | None:
        """What the engine thinks amiss, for a server that does not come up and does not say why."""
        if isinstance(error, NotReady):
            with contextlib.suppress(DeployerError):
                for finding in self.engine.check():
                    if finding.severity == "warning":
                        return f"{finding.message}: {finding.remedy}"
        return None

    def _await(self, deployment: Deployment, models: tuple[ServedModel, ...]) -> None:
        client = self.workspace.client(deployment)
        deadline = Deadline.after(self.workspace.spec.gate.ready_seconds)
        until_ready(lambda: self._look(deployment, client, models), deadline, f"the server of {deployment.name}")

    def _look(self, deployment: Deployment, client: Client, models: tuple[ServedModel, ...]) -> Observation:
        seen = smoke.readiness(client, models)
        if seen.readiness is Readiness.NOT_READY and not self.engine.alive(deployment):
            return Observation(Readiness.UNAVAILABLE, self.engine.autopsy(deployment))
        return seen

    def _prove(self, deployment: Deployment) -> Report:
        self._await(deployment, self.launch.models)
        self.progress("asking it the golden questions")
        gate = self.workspace.spec.gate
        report = smoke.prove(
            self.workspace.client(deployment),
            self.models,
            Tolerance(gate.relative_tolerance, gate.absolute_tolerance),
        )
        if not report.ok:
            faults = "; ".join(f"{check.model} {check.name}: {check.detail}" for check in report.failed)
            raise GateRefused(f"the candidate did not pass: {faults}", hint="deployer inspect NAME shows the version")
        return report

    def _still_available(self, observed: Deployment) -> Report:
        return smoke.prove_available(self.workspace.client(observed), self.launch.models)


def _union(there: tuple[ServedModel, ...], wanted: tuple[ServedModel, ...]) -> tuple[ServedModel, ...]:
    """Every version of both, with the labels that are there already."""
    before = {model.name: model for model in there}
    both = [_together(before.pop(model.name, None), model) for model in wanted]
    return (*both, *before.values())


def _together(there: ServedModel | None, wanted: ServedModel) -> ServedModel:
    if there is None:
        return dataclasses.replace(wanted, labels=())
    return ServedModel(wanted.name, tuple(sorted({*there.versions, *wanted.versions})), there.labels)

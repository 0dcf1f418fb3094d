"""Carries out a plan: nothing takes traffic unproven, what served goes on serving until then, and failure is undone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from deployer.deployment import Change, Deployment, Launch, Plan, listed
from deployer.engines.base import Engine
from deployer.errors import DeployerError, DeployFailed, GateRefused
from deployer.model import Model
from deployer.operations.recording import Step, unrecorded
from deployer.operations.switching import Switch
from deployer.operations.watching import await_models, last_words
from deployer.operations.workspace import Progress, Workspace
from deployer.plan import all_loaded
from deployer.report import Report

PROMOTE_SECONDS = 15.0


@dataclass(frozen=True)
class Deploy:
    """One deploy under way; `step` writes what is done next."""

    workspace: Workspace
    launch: Launch
    models: tuple[Model, ...]
    progress: Progress
    step: Step = unrecorded

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
            self.step(f"promote the candidate {candidate.release}")
            deployment = self.engine.promote(candidate, PROMOTE_SECONDS, self._accept)
        return deployment, report

    def _accept(self, promoted: Deployment) -> None:
        """The last word before what served until now is given up: the server is up at its address."""
        self.step(f"accept {promoted.release} at its address")
        with last_words(self.engine, promoted):
            await_models(self.workspace, promoted, self.launch.models)

    def _reload(self, observed: Deployment) -> tuple[Deployment, Report]:
        if all_loaded(self.launch.models, observed.models):
            self._prove(observed)
        else:
            with self._candidate() as candidate:
                self._prove(candidate)
                self.step(f"discard the candidate {candidate.release}")
                self.engine.discard(candidate)
        self.progress("proven: the serving server takes up its models")
        return self._switched(observed)

    def _switched(self, observed: Deployment) -> tuple[Deployment, Report]:
        switch = Switch(self.workspace, observed, self.launch.models_root, self.step)
        try:
            deployment = switch.over(observed.models, self.launch.models)
            return deployment, self._prove(deployment)
        except DeployerError as error:
            self._take_back(observed)
            raise DeployFailed(
                f"the models were taken back: {error.message}", hint=error.hint, log=error.log
            ) from error
        except BaseException:
            self._take_back(observed)
            raise

    def _take_back(self, observed: Deployment) -> None:
        self.step(f"take back: {listed(observed.models)}")
        current = self.engine.observe(observed.name, observed.env) or observed
        switch = Switch(self.workspace, current, self.launch.models_root, self.step)
        half_way = switch.settle() if current.under_way is not None else current
        if half_way.models != observed.models:
            switch.over(half_way.models, observed.models)

    @contextmanager
    def _candidate(self) -> Iterator[Deployment]:
        """A candidate that is gone again when anything goes wrong; its last log lines go with the error."""
        self.engine.prepare(self.progress)
        self.progress(f"starting a candidate on the {self.engine.name} engine")
        try:
            self.step("stage a candidate")
            candidate = self.engine.stage(self.launch)
            from deployer import smoke  # while its server loads: that time is free

            smoke.get_ready(self.models)
            with last_words(self.engine, candidate):
                yield candidate
        except BaseException:
            self.engine.sweep(self.launch.name, self.launch.env)
            raise

    def _prove(self, deployment: Deployment) -> Report:
        from deployer import smoke
        from deployer.golden import Tolerance

        self.step(f"prove {deployment.release}, the {deployment.role} server")
        await_models(self.workspace, deployment, self.launch.models)
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
        from deployer import smoke

        return smoke.prove_available(self.workspace.client(observed), self.launch.models)

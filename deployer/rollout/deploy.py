"""Carries out a plan: nothing takes traffic unproven, what served goes on serving until then, and failure is undone."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

from deployer.engines.base import Engine
from deployer.errors import BrokenModel, DeployerError, DeployFailed, GateRefused, note_undone
from deployer.results.checks import Report
from deployer.results.deployment import Change, Deployment, Launch, Plan, listed, typed
from deployer.results.model import Model
from deployer.rollout.monitor import NO_METER, Meter
from deployer.rollout.plan import all_loaded, gateway_cause
from deployer.rollout.readiness import await_models, last_words
from deployer.rollout.recording import Step, unrecorded, where_possible
from deployer.rollout.reload import Switch
from deployer.rollout.workspace import Progress, Workspace, silent
from deployer.store.manifest import damage

if TYPE_CHECKING:
    from deployer.rollout.gate import Gate

PROMOTE_SECONDS = 15.0


@dataclass(frozen=True)
class Deploy:
    """One deploy under way; `step` writes what is done next, `notice` keeps what is to be said at its end."""

    workspace: Workspace
    launch: Launch
    models: tuple[Model, ...]
    progress: Progress
    step: Step = unrecorded
    meter: Meter = NO_METER
    notice: Progress = silent

    @property
    def engine(self) -> Engine:
        """The engine that does it."""
        return self.workspace.engine

    def carry_out(self, plan: Plan, observed: Deployment | None) -> tuple[Deployment, Report]:
        """Do what the plan says. Raises NotReady, GateRefused, EngineError; then the old server still serves."""
        roomy = self.gate.let_in(plan.change, observed)
        if observed is None or plan.change in (Change.CREATE, Change.REPLACE):
            return self._launch(observed)
        if gateway_cause(self.launch, observed):
            observed = self._refront(observed)
        if plan.change is Change.RELOAD:
            return self._reload(observed, roomy=roomy)
        return observed, self._still_available(observed)

    @cached_property
    def gate(self) -> Gate:
        """What the models must show."""
        from deployer.rollout.gate import Gate

        return Gate(self.workspace, self.launch, self.models, self.progress)

    def _launch(self, observed: Deployment | None) -> tuple[Deployment, Report]:
        with self._candidate() as candidate:
            report = self._prove(candidate, observed if observed and observed.running else None)
            self.progress(f"{self._verdict}: opening its ports")
            self.step(f"promote the candidate {candidate.release}")
            accept = self._accept if observed is None else partial(self._accept_in_its_place, observed)
            self.meter.switching()
            deployment = self.engine.promote(candidate, PROMOTE_SECONDS, accept)
            self.meter.ended()
        return deployment, report

    def _accept(self, promoted: Deployment) -> None:
        """The server is up at its address."""
        self.step(f"accept {promoted.release} at its address")
        with last_words(self.engine, promoted):
            await_models(self.workspace, promoted, self.launch.models)

    def _accept_in_its_place(self, old: Deployment, promoted: Deployment) -> None:
        """The last word before what served until now is given up: the server answers at its address, as it should."""
        self._accept(promoted)
        try:
            self._prove(promoted)
            self._judge_beside(old)
        except DeployerError as error:
            self.meter.taken_back()
            raise DeployFailed(f"the server was taken back: {error.message}", hint=error.hint, log=error.log) from error

    def _judge_beside(self, old: Deployment) -> None:
        """What clients noticed is no reason to go back to a server that is no more: then nobody would serve."""
        try:
            self.meter.switched_beside()
        except DeployFailed as error:
            if self.engine.revives or self.engine.alive(old):
                raise
            self.notice(f"{error.message}; it is not taken back: the server before it has ended")

    def _refront(self, observed: Deployment) -> Deployment:
        """Another gateway in front of a server that goes on serving. Clients are measured: what answers stays."""

        def accept(seen: Deployment) -> None:
            await_models(self.workspace, seen, observed.models)
            self.meter.switched_beside()

        self.engine.prepare(self.progress)
        self.progress("putting another gateway in front of it")
        self.step(f"put another gateway in front of {observed.release}")
        return self.engine.refront(observed, accept)

    def _reload(self, observed: Deployment, *, roomy: bool) -> tuple[Deployment, Report]:
        loaded = all_loaded(self.launch.models, observed.models)
        with ThreadPoolExecutor(1) as aside:
            going = None
            if loaded:
                self._prove(observed)
            elif not self.gate.skipped:
                going = self._prove_apart(observed, aside)
                if not roomy:
                    going.result()
            self.progress(f"{self._verdict}: the serving server takes up its models")
            return self._switched(observed, again=loaded, going=going)

    @property
    def _verdict(self) -> str:
        return "unproven" if self.gate.skipped else "proven"

    def _prove_apart(self, observed: Deployment, aside: Executor) -> Future[None]:
        """The candidate has shown what it can, and goes `aside`: that takes an engine a while."""
        with self._candidate() as candidate:
            self._prove(candidate, observed)
            self.step(f"discard the candidate {candidate.release}")
            return aside.submit(self.engine.discard, candidate)

    def _switched(self, observed: Deployment, *, again: bool, going: Future[None] | None) -> tuple[Deployment, Report]:
        switch = Switch(self.workspace, observed, self.launch.models_root, self.step)
        try:
            self.meter.switching()
            deployment = switch.over(observed.models, self.launch.models)
            report = self._prove(deployment, again=again)
            self.meter.switched()
            if going is not None:
                going.result()
        except DeployerError as error:
            self._take_back(observed)
            raise DeployFailed(
                f"the models were taken back: {error.message}", hint=error.hint, log=error.log
            ) from error
        except BaseException as error:
            self._take_back(observed)
            note_undone(error, f"{listed(observed.models)} serves again")
            raise
        return deployment, report

    def _take_back(self, observed: Deployment) -> None:
        self.meter.taken_back()
        step = where_possible(self.step)
        step(f"take back: {listed(observed.models)}")
        current = self.engine.observe(observed.name, observed.env) or observed
        switch = Switch(self.workspace, current, self.launch.models_root, step)
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
            from deployer.verification import smoke  # while its server loads: that time is free

            smoke.get_ready(self.models)
            with last_words(self.engine, candidate):
                yield candidate
        except BaseException as error:
            self.engine.sweep(self.launch.name, self.launch.env)
            note_undone(error, "the candidate was removed")
            raise

    def _prove(self, deployment: Deployment, beside: Deployment | None = None, *, again: bool = False) -> Report:
        self.step(f"prove {deployment.release}, the {deployment.role} server")
        return self.gate.prove(deployment, beside, again=again)

    def _still_available(self, observed: Deployment) -> Report:
        """Of a server that may just have been started again, by its engine or by what was mended, or will be: so its
        files are looked at, and one question is asked. Raises NotReady, BrokenModel, GateRefused."""
        from deployer.verification import smoke

        for model in self.models:
            _check_files(model)
        with last_words(self.engine, observed):
            await_models(self.workspace, observed, self.launch.models)
        client = self.workspace.client(observed)
        there = smoke.prove_available(client, self.launch.models)
        if self.gate.skipped:
            return there
        answered = smoke.prove_one_answer(client, self.models, self.workspace.tolerance)
        if failed := answered.failed:
            raise GateRefused(
                f"nothing is to be changed, but {failed[0].model} does not answer as it should: {failed[0].detail}",
                hint=f"deployer down {typed(observed.name, observed.env)}, then up, starts a server of these files",
            )
        return Report((*there.checks, *answered.checks))


def _check_files(model: Model) -> None:
    """Refuse a version that a server could not load again as it was."""
    if damaged := damage(model.path):
        raise BrokenModel(
            f"{model.name}:{model.version} is damaged: {damaged}",
            hint="put its files back; or deployer up SOURCE --force makes a new version "
            f"(it was exported from {model.source.location})",
        )

"""The gate in front of every change: what a version must show before it takes traffic."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field

from deployer.client import overload
from deployer.errors import BrokenModel, InsufficientMemory, ModelNotFound, NotReady, Overloaded, VerificationFailed
from deployer.results.checks import Check, Report
from deployer.results.deployment import Deployment, Launch, ServedModel, cli_name
from deployer.results.model import Model
from deployer.results.plan import Change
from deployer.rollout import memory as memory_checks
from deployer.rollout import served_models
from deployer.rollout.breaking_changes import (
    NONE_DECLARED,
    BreakingChange,
    DeclaredSignatures,
    IncomparableVersions,
    find_breaking_changes,
)
from deployer.rollout.plan import all_loaded
from deployer.rollout.readiness import attach_server_logs, await_models
from deployer.rollout.workspace import Progress, Workspace
from deployer.store.manifest import FOREIGN, damage


@dataclass(frozen=True)
class Gate:
    """What is asked of the models of one launch."""

    workspace: Workspace
    launch: Launch
    models: tuple[Model, ...]
    progress: Progress
    asked: DeclaredSignatures = field(default_factory=lambda: NONE_DECLARED)

    @property
    def skipped(self) -> bool:
        """Whether nothing is asked."""
        return self.workspace.spec.gate.skip

    @property
    def may_break(self) -> bool:
        """Whether clients of what serves may break."""
        return self.skipped or self.workspace.spec.gate.allow_breaking

    def admit(self, change: Change, observed: Deployment | None) -> None:
        """Refuse what need not even be started. Raises VerificationFailed, InsufficientMemory."""
        if change is Change.NOTHING:
            return
        self.check_golden()
        if observed is not None:
            self.check_signatures(observed)
            self.check_memory(observed, change)

    def check_golden(self) -> None:
        """Refuse what has no answers to be proven by, before anything is started. Raises VerificationFailed."""
        bare = next((model for model in self.models if not model.golden.cases), None)
        if bare is None or self.skipped:
            return
        another = "deployer export SOURCE --examples FILE makes a version that has some"
        if bare.source.kind == FOREIGN:
            another = f"deployer up {shlex.quote(str(bare.path))} makes a version of it that has some"
        raise VerificationFailed(
            f"{bare.name}:{bare.version} cannot be verified: {bare.golden.lack}",
            hint=f"{another}; --skip-gate serves it unverified",
        )

    def check_signatures(self, observed: Deployment) -> None:
        """Refuse what breaks the clients of what serves, before anything is started. Raises VerificationFailed."""
        if self.may_break:
            return
        found = find_breaking_changes(self.workspace, self.launch, self.models, observed, asked=self.asked)
        if broken := tuple(each for each in found if isinstance(each, BreakingChange)):
            raise VerificationFailed(
                f"clients of what serves now would break: {'; '.join(map(str, broken))}",
                hint=f"--allow-breaking accepts that{broken[0].look}",
            )

    def accepted(self, change: Change, observed: Deployment | None) -> Iterator[str]:
        """What is said of clients that break, or may break, where that is no reason to refuse."""
        if change is Change.NOTHING or observed is None:
            return
        with contextlib.suppress(Overloaded):  # a note is no reason to fail
            found = find_breaking_changes(
                self.workspace, self.launch, self.models, observed, patience=0.0, asked=self.asked
            )
            for each in found:
                if isinstance(each, IncomparableVersions):
                    yield str(each)
                elif self.may_break:
                    yield f"clients break: {each}{each.look}"

    def check_memory(self, observed: Deployment, change: Change) -> None:
        """Refuse what there is no memory for, before anything is started. Raises InsufficientMemory."""
        loaded = change is Change.RELOAD and all_loaded(self.launch.models, observed.models)
        if loaded or not observed.running or not self.workspace.spec.gate.check_memory:
            return
        memory = self.workspace.engine.memory(observed)
        if memory is None:
            return
        apart = change is not Change.RELOAD or not self.skipped
        there = cli_name(observed.name, observed.env)
        if problem := memory_checks.insufficient_memory(memory, change, observed, self.models, apart=apart):
            raise InsufficientMemory(
                f"there is not memory enough for two: {problem}",
                hint=f"the way with a gap: deployer down {there}, then up; gate.check_memory = false tries it",
            )

    def prove(self, deployment: Deployment, beside: Deployment | None = None, *, again: bool = False) -> Report:
        """All models are AVAILABLE and answer as TensorFlow did; none much slower than what serves `beside` it.

        `again`: this very server has shown it a moment ago, before it was told what to serve.

        Raises NotReady, VerificationFailed.
        """
        from deployer.verification import smoke  # not before a candidate was started: it loads meanwhile

        await_models(self.workspace, deployment, self.launch.models)
        client = self.workspace.client(deployment)
        self.progress("verifying its answers over REST and gRPC")
        report = smoke.prove(client, self.models, self.workspace.tolerance, again=again)
        limit = self.workspace.spec.gate.max_slowdown
        if report.ok and beside is not None and limit is not None:
            report = Report((*report.checks, *self._pace(deployment, beside, limit)))
        if not report.ok:
            faults = "; ".join(f"{check.model} {check.name}: {check.detail}" for check in report.failed)
            if report.overloaded:
                raise NotReady(f"the server refuses requests for load: {faults}", hint=overload.ROOM)
            hint = f"deployer inspect {report.failed[0].model} shows the version"
            raise VerificationFailed(f"the candidate did not pass: {faults}", hint=hint)
        return report

    def await_available(self, server: Deployment) -> Report:
        """All models of a server are AVAILABLE. Raises NotReady."""
        from deployer.verification import smoke

        await_models(self.workspace, server, server.models)
        return smoke.prove_available(self.workspace.client(server), server.models)

    def check_unchanged(self, server: Deployment) -> Report:
        """Of a server that may just have been started again, by its engine or by what was mended, or will be: so its
        files are looked at, and one question is asked. Raises NotReady, BrokenModel, VerificationFailed.
        """
        from deployer.verification import smoke

        for model in self.models:
            _check_files(model)
        with attach_server_logs(self.workspace.engine, server):
            there = self.await_available(server)
        if self.skipped:
            return there
        answered = smoke.prove_one_answer(self.workspace.client(server), self.models, self.workspace.tolerance)
        if failed := answered.failed:
            raise VerificationFailed(
                f"nothing is to be changed, but {failed[0].model} does not answer as it should: {failed[0].detail}",
                hint=f"deployer down {cli_name(server.name, server.env)}, then up, starts a server of these files",
            )
        return Report((*there.checks, *answered.checks))

    def _pace(self, deployment: Deployment, beside: Deployment, limit: float) -> Iterator[Check]:
        from deployer.verification import smoke

        self.progress("comparing its pace with that of what serves")
        new, old = (self.workspace.client(server) for server in (deployment, beside))
        for served in beside.models:
            try:
                before = self.workspace.store.get(served.name, served_models.current_version(served))
            except ModelNotFound:
                continue  # nothing is known of it to ask
            for model in self._new(served):
                yield smoke.compare_pace((old, before), (new, model), limit)

    def _new(self, served: ServedModel) -> list[Model]:
        return [model for model in self.models if model.name == served.name and model.version not in served.versions]


def _check_files(model: Model) -> None:
    """Refuse a version that a server could not load again as it was."""
    if damaged := damage(model.path):
        raise BrokenModel(
            f"{model.name}:{model.version} is damaged: {damaged}",
            hint="put its files back; or deployer up SOURCE --force makes a new version "
            f"(it was exported from {model.source.location})",
        )

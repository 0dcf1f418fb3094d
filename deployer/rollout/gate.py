"""The gate: what a version must pass before it takes traffic."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field

from deployer.client import overload
from deployer.errors import InsufficientMemory, ModelNotFound, NotReady, Overloaded, VerificationFailed
from deployer.results.checks import Check, Report
from deployer.results.deployment import Deployment
from deployer.results.launch import Launch
from deployer.results.model import Model
from deployer.results.plan import Change
from deployer.results.progress import Phase, Progress
from deployer.results.served import ServedModel
from deployer.rollout import other_deployments, served_models
from deployer.rollout.breaking_changes import (
    NO_EXPORTS,
    NONE_DECLARED,
    BreakingChange,
    DeclaredSignatures,
    Exports,
    IncomparableVersions,
    find_breaking_changes,
)
from deployer.rollout.damage import refuse_damaged
from deployer.rollout.memory import MemoryReading, insufficient_memory
from deployer.rollout.readiness import attach_server_logs, await_models
from deployer.rollout.served_models import all_loaded
from deployer.rollout.workspace import Workspace
from deployer.store.manifest import FOREIGN

SAME_SERVERS = (Change.NOTHING, Change.SCALE)
"""The changes after which the same versions serve with the same settings."""


@dataclass(frozen=True)
class Gate:
    """Admits a change before anything starts, and verifies servers of its launch before they take traffic."""

    workspace: Workspace
    launch: Launch
    models: tuple[Model, ...]
    progress: Progress
    reading: MemoryReading
    declared: DeclaredSignatures = field(default_factory=lambda: NONE_DECLARED)
    exports: Exports = field(default_factory=lambda: NO_EXPORTS)
    """The exports that come first; a deploy has none left."""

    goes_back: bool = False
    """Whether the change is a rollback: files of versions that the running server has loaded may differ."""

    @property
    def skipped(self) -> bool:
        """Whether `--skip-gate` or `gate.skip` turns verification off."""
        return self.workspace.spec.gate.skip

    @property
    def may_break(self) -> bool:
        """Whether a change may break the clients of what serves now."""
        return self.skipped or self.workspace.spec.gate.allow_breaking

    def admit(self, change: Change, observed: Deployment | None, *, every_file: bool = False) -> None:
        """Refuse a change that is certain to fail. Raises BrokenModel, VerificationFailed, InsufficientMemory.

        `every_file` is for a preview: a change compares the large files while a candidate starts.
        """
        if change in SAME_SERVERS:
            if every_file and change is Change.NOTHING:
                self.check_files()  # as the check of the running server does
            return
        self.progress(Phase("checking files, signatures and memory"))
        self.check_read_files(change, observed, every_file=every_file)
        self.check_golden()
        if observed is not None:
            self.check_signatures(observed)
            self.check_memory(observed, change)

    def check_files(self, *, every_file: bool = False) -> None:
        """Refuse a version whose files are not those of its export. Raises BrokenModel.

        Without `every_file`, large files that do not look modified are not compared, which would take time.
        """
        refuse_damaged(self.workspace, self.models, every_file=every_file)

    def check_read_files(self, change: Change, observed: Deployment | None, *, every_file: bool = False) -> None:
        """Do as `check_files` does, unless a rollback goes back to what the running server has loaded."""
        if not (self.goes_back and self._only_loaded(change, observed)):
            self.check_files(every_file=every_file)

    def check_golden(self) -> None:
        """Refuse a version without golden answers. Raises VerificationFailed."""
        unverifiable = next((model for model in self.models if not model.golden.cases), None)
        if unverifiable is None or self.skipped:
            return
        options = f"--name {unverifiable.name} --examples FILE{self.workspace.store_options}"
        command = f"deployer export SOURCE {options}"
        remedy = f"{command} makes a version that has some"
        if unverifiable.source.kind == FOREIGN:
            source = self.workspace.cli_target(shlex.quote(str(unverifiable.path)))
            remedy = f"deployer up {source}{self.workspace.store_option} makes a version of it that has some"
        raise VerificationFailed(
            f"{unverifiable.name}:{unverifiable.version} cannot be verified: {unverifiable.golden.lack}",
            hint=f"{remedy}; --skip-gate serves it unverified",
        )

    def check_signatures(self, observed: Deployment) -> None:
        """Refuse signatures that break the clients of what serves now. Raises VerificationFailed."""
        if self.may_break:
            return
        if broken := tuple(each for each in self._changes(observed) if isinstance(each, BreakingChange)):
            last = "serves now" if observed.running else "was deployed last"
            accept = f"--allow-breaking accepts that{broken[0].diff_hint(self.workspace.store_options)}"
            origin = other_deployments.own_project_hint(self.workspace, observed)
            raise VerificationFailed(
                f"clients of what {last} would break: {'; '.join(map(str, broken))}",
                hint="; ".join(filter(None, (origin, accept))),
            )

    def check_memory(self, observed: Deployment, change: Change) -> None:
        """Refuse a change that needs more memory than is free. Raises InsufficientMemory."""
        loaded = self._only_loaded(change, observed)
        if loaded or not observed.running or not self.workspace.spec.gate.check_memory:
            return
        memory = self.reading.memory
        if memory is None:
            return
        with_candidate = change is not Change.RELOAD or not self.skipped
        problem = insufficient_memory(memory, change, observed, self.models, with_candidate=with_candidate)
        if problem:
            deployment = self.workspace.cli_target(observed.name)
            raise InsufficientMemory(
                f"there is not enough memory for two servers: {problem}",
                hint=f"deployer down {deployment}, then up needs less, with a gap; gate.check_memory = false tries it",
            )

    def accepted_breaks(self, change: Change, observed: Deployment | None) -> Iterator[str]:
        """Yield a notice for each break that is accepted, and for each version that cannot be compared."""
        if change in SAME_SERVERS or observed is None:
            return
        with contextlib.suppress(Overloaded):  # a notice is no reason to fail
            for each in self._changes(observed, retry_seconds=0.0):
                if isinstance(each, IncomparableVersions):
                    yield str(each)
                elif self.may_break:
                    yield f"clients break: {each}{each.diff_hint(self.workspace.store_options)}"

    def _changes(
        self, observed: Deployment, retry_seconds: float | None = None
    ) -> Iterator[BreakingChange | IncomparableVersions]:
        return find_breaking_changes(
            self.workspace,
            self.launch,
            self.models,
            observed,
            retry_seconds=retry_seconds,
            declared=self.declared,
            exports=self.exports,
        )

    def verify(self, server: Deployment, serving: Deployment | None = None, *, again: bool = False) -> Report:
        """Verify that all models of a server are AVAILABLE and give the golden answers.

        With `serving`, also that new versions are not slower than `gate.max_slowdown` allows. `again` leaves out what
        cannot have changed since the same server was verified. Raises NotReady, VerificationFailed.
        """
        from deployer.verification import smoke  # imported while the candidate loads

        await_models(self.workspace, server, self.launch.models)
        client = self.workspace.client(server)
        self.progress(Phase("verifying its answers over REST and gRPC"))
        report = smoke.verify(client, self.models, self.workspace.tolerance, again=again)
        limit = self.workspace.spec.gate.max_slowdown
        if report.ok and serving is not None and limit is not None:
            report = Report((*report.checks, *self._compare_pace(server, serving, limit)))
        if not report.ok:
            raise self._verification_error(report)
        return report

    def await_available(self, server: Deployment) -> Report:
        """Wait until all models of a server are AVAILABLE. Raises NotReady."""
        from deployer.verification import smoke

        await_models(self.workspace, server, server.models)
        return smoke.verify_available(self.workspace.client(server), server.models)

    def check_unchanged(self, server: Deployment) -> Report:
        """Check that a server which needs no change is healthy: its files, its models and one golden answer each.

        Raises NotReady, BrokenModel, VerificationFailed.
        """
        from deployer.verification import smoke

        self.check_files()
        with attach_server_logs(self.workspace.engine, server):
            available = self.await_available(server)
        if self.skipped:
            return available
        answered = smoke.verify_one_answer(self.workspace.client(server), self.models, self.workspace.tolerance)
        if failed := answered.failed:
            raise VerificationFailed(
                f"nothing changes, but {failed[0].model} gives wrong answers: {failed[0].detail}",
                hint=f"deployer down {self.workspace.cli_target(server.name)}, then up, starts a server of these files",
            )
        return Report((*available.checks, *answered.checks))

    def _compare_pace(self, candidate: Deployment, serving: Deployment, limit: float) -> Iterator[Check]:
        from deployer.verification import smoke

        self.progress(Phase("comparing its latency with that of the serving version"))
        new_client, old_client = self.workspace.client(candidate), self.workspace.client(serving)
        for served in serving.models:
            try:
                old = self.workspace.store.get(served.name, served_models.current_version(served))
            except ModelNotFound:
                continue  # its golden questions are lost
            for new in self._new_versions(served):
                yield smoke.compare_latency((old_client, old), (new_client, new), limit)

    def _new_versions(self, served: ServedModel) -> list[Model]:
        return [model for model in self.models if model.name == served.name and model.version not in served.versions]

    def _verification_error(self, report: Report) -> NotReady | VerificationFailed:
        problems = "; ".join(f"{check.model} {check.name}: {check.detail}" for check in report.failed)
        if report.overloaded:
            return NotReady(f"the server refuses requests for load: {problems}", hint=overload.MORE_THREADS_HINT)
        hint = f"deployer inspect {report.failed[0].model}{self.workspace.up_options} shows the version"
        return VerificationFailed(f"the candidate did not pass: {problems}", hint=hint)

    def _only_loaded(self, change: Change, observed: Deployment | None) -> bool:
        """Return whether the running server has loaded all versions, and no server reads their files."""
        return change is Change.RELOAD and observed is not None and all_loaded(self.launch.models, observed.models)

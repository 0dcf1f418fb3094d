"""Executes a plan as it is: writes each step to the journal, performs it, and undoes it if a later one fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from deployer.engines.base import Engine
from deployer.errors import DeployerError, DeployFailed, NotReady, note_undone
from deployer.results.checks import Report
from deployer.results.deployment import Deployment
from deployer.results.launch import Launch
from deployer.results.plan import Change, Plan
from deployer.results.progress import Phase, Progress
from deployer.results.served import format_models
from deployer.results.steps import (
    AwaitCandidate,
    AwaitServing,
    CheckServing,
    DiscardCandidate,
    JudgeTraffic,
    LoadVersions,
    Promote,
    RecordModels,
    Reload,
    ReplaceGateway,
    RollBack,
    Scale,
    StartCandidate,
    Step,
    VerifyCandidate,
    VerifyServing,
)
from deployer.rollout import reload
from deployer.rollout.gate import Gate
from deployer.rollout.journal import Journal, best_effort, no_journal
from deployer.rollout.monitor import NO_MONITOR, TrafficMonitor
from deployer.rollout.readiness import attach_server_logs, await_models
from deployer.rollout.undo import Undo, UndoStack
from deployer.rollout.workspace import Workspace

if TYPE_CHECKING:
    from deployer.results.traffic import TrafficFigures

PROMOTE_SECONDS = 15.0


@dataclass(frozen=True)
class Execution:
    """The result of an executed plan: the deployment that serves, and what was verified and measured of it."""

    deployment: Deployment
    report: Report | None
    traffic: TrafficFigures | None = None


def _no_record(_: str) -> None:
    """Record nothing."""


@dataclass
class Context:
    """What the steps of one plan share: their tools, and the state that they have reached so far."""

    gate: Gate
    serving: Deployment | None
    """The server at the public address."""

    notice: Callable[[str], None]
    journal: Journal = no_journal
    started: Callable[[str], None] = _no_record
    """Writes which server was started as the candidate."""

    monitor: TrafficMonitor = NO_MONITOR

    candidate: Deployment | None = None
    replaced: Deployment | None = None
    """The server that a promotion takes the address from."""

    report: Report | None = None
    candidate_undo: Undo | None = None
    reload_undo: Undo | None = None
    comparison: Future[None] | None = None
    """Compares the files of all versions with their export while the candidate starts."""

    background: list[Future[None]] = field(default_factory=list)
    pool: Executor = field(init=False)

    @property
    def workspace(self) -> Workspace:
        """The workspace of the launch."""
        return self.gate.workspace

    @property
    def launch(self) -> Launch:
        """The launch that the plan is for."""
        return self.gate.launch

    @property
    def progress(self) -> Progress:
        """The callback that shows progress."""
        return self.gate.progress

    @property
    def engine(self) -> Engine:
        """The engine that runs the servers."""
        return self.workspace.engine

    def serving_server(self) -> Deployment:
        """Return the server at the public address."""
        if self.serving is None:
            raise RuntimeError("the plan has a step for a serving server, and none serves")
        return self.serving

    def started_candidate(self) -> Deployment:
        """Return the candidate."""
        if self.candidate is None:
            raise RuntimeError("the plan has a step for a candidate, and starts none")
        return self.candidate


def execute(plan: Plan, context: Context) -> Execution:
    """Perform the steps of a plan in order.

    Raises NotReady, VerificationFailed, EngineError or DeployFailed; then what served before serves again.
    """
    with ThreadPoolExecutor(1) as context.pool, UndoStack() as undo:
        for step in plan.steps:
            _perform(step, context, undo)
        for future in context.background:
            future.result()
    return Execution(context.serving_server(), context.report)


def _perform(step: Step, context: Context, undo: UndoStack) -> None:
    context.journal(step)
    HANDLERS[type(step)](step, context, undo)


def _start_candidate(_: StartCandidate, context: Context, undo: UndoStack) -> None:
    from deployer.verification import smoke

    engine, launch = context.engine, context.launch
    context.comparison = context.pool.submit(context.gate.check_files, every_file=True)
    engine.images.pull(context.progress)
    engine.copies.send(context.gate.models, context.progress)
    context.candidate_undo = undo.push(Undo(partial(engine.recover, *launch.key), "the candidate was removed"))
    context.progress(Phase(f"starting a candidate on the {engine.traits.name} engine"))
    context.candidate = engine.stage(launch)
    context.started(context.candidate.release)
    smoke.preload(context.gate.models)  # costs no time here: the candidate is loading


def _verify_candidate(step: VerifyCandidate, context: Context, _: UndoStack) -> None:
    candidate = context.started_candidate()
    with _whole_files(context), attach_server_logs(context.engine, candidate):
        context.report = context.gate.verify(candidate, context.serving if step.pace else None)


def _await_candidate(_: AwaitCandidate, context: Context, __: UndoStack) -> None:
    candidate = context.started_candidate()
    with _whole_files(context), attach_server_logs(context.engine, candidate):
        context.report = context.gate.await_available(candidate)


@contextmanager
def _whole_files(context: Context) -> Iterator[None]:
    """Refuse a candidate of damaged files, also if it fails: they are the cause. Raises BrokenModel."""
    try:
        yield
    except DeployerError as error:
        if context.comparison is not None and (damaged := context.comparison.exception()):
            raise damaged from error
        raise
    if context.comparison is not None:
        context.comparison.result()


def _discard_candidate(step: DiscardCandidate, context: Context, undo: UndoStack) -> None:
    if context.candidate_undo is not None:
        undo.drop(context.candidate_undo)
    discarded = context.pool.submit(context.engine.discard, context.started_candidate())
    if step.background:
        context.background.append(discarded)
    else:
        discarded.result()


def _promote(step: Promote, context: Context, undo: UndoStack) -> None:
    candidate, old, report = context.started_candidate(), context.serving, context.report

    def accept(promoted: Deployment) -> None:
        context.serving = promoted
        try:
            for each in step.accepted_by:
                _perform(each, context, undo)
        except NotReady:
            raise
        except DeployerError as error:
            context.monitor.rolled_back()
            message = f"the server was rolled back: {error.message}"
            raise DeployFailed(message, hint=error.hint, log=error.log) from error

    context.replaced = old
    context.progress(Phase("keeping its ports open" if step.published else "opening the public ports"))
    context.monitor.switching()
    try:
        with attach_server_logs(context.engine, candidate):
            context.serving = context.engine.promote(candidate, PROMOTE_SECONDS, accept)
    except BaseException as error:
        context.serving = old
        if old is not None and _old_serves(context, old):
            note_undone(error, f"{format_models(old.models)} serves again")
        raise
    context.report = report  # the candidate's: it has more checks than the acceptance
    context.monitor.ended()


def _old_serves(context: Context, old: Deployment) -> bool:
    """Wait until the old server, which the engine may have started again, serves; note it if that does not happen."""
    if old.silence:
        return False
    try:
        await_models(context.workspace, old, old.models)
    except DeployerError as error:
        context.notice(f"the old server does not serve again: {error.message}")
        return False
    return True


def _await_serving(_: AwaitServing, context: Context, __: UndoStack) -> None:
    server = context.serving_server()
    with attach_server_logs(context.engine, server):
        context.report = context.gate.await_available(server)


def _verify_serving(step: VerifyServing, context: Context, _: UndoStack) -> None:
    context.report = context.gate.verify(context.serving_server(), again=step.again)


def _judge_traffic(step: JudgeTraffic, context: Context, _: UndoStack) -> None:
    if not step.old_serves:
        context.monitor.switched()
        return
    try:
        context.monitor.swapped()
    except DeployFailed as error:
        old, engine = context.replaced, context.engine
        if old is None or engine.traits.can_restart or engine.exit_reason(old) is None:
            raise
        # The old server has ended and cannot be restarted: with a rollback, no server would be left.
        context.notice(f"{error.message}; there is no rollback: the old server has exited")


def _replace_gateway(step: ReplaceGateway, context: Context, undo: UndoStack) -> None:
    def accept(reached: Deployment) -> None:
        context.serving = reached
        for each in step.accepted_by:
            _perform(each, context, undo)

    context.engine.images.pull(context.progress)
    context.progress(Phase("replacing the gateway" if step.running else "starting a gateway"))
    context.serving = context.engine.gateways.replace(context.serving_server(), accept)


def _change_models(step: LoadVersions | Reload | RecordModels, context: Context, undo: UndoStack) -> None:
    server = context.serving_server()
    if context.reload_undo is None:
        if context.candidate is None:
            context.gate.check_read_files(Change.RELOAD, server, every_file=True)
            context.engine.copies.send(context.gate.models, context.progress)
        context.progress(Phase("reloading the running server"))
        context.monitor.switching()
        context.reload_undo = undo.push(_undo_reload(context, server))
    context.serving = reload.perform(step, context.workspace, server)


def _undo_reload(context: Context, before: Deployment) -> Undo:
    journal = best_effort(context.journal)

    def restore() -> None:
        context.monitor.rolled_back()
        journal(RollBack("a step failed", before.models))
        reload.restore(context.workspace, before, before.models, journal)

    return Undo(restore, f"{format_models(before.models)} serves again", "the models were rolled back")


def _scale(step: Scale, context: Context, undo: UndoStack) -> None:
    before, engine = context.serving_server(), context.engine
    context.progress(Phase(f"{'starting' if step.after > step.before else 'draining'} servers: {step.after} in all"))
    undo.push(
        Undo(partial(engine.scale, before, step.before), f"{step.before} run again", "the number of servers was reset")
    )
    context.monitor.switching()
    context.serving = engine.scale(before, step.after)


def _check_serving(_: CheckServing, context: Context, __: UndoStack) -> None:
    context.report = context.gate.check_unchanged(context.serving_server())


HANDLERS: dict[type[Step], Callable[[Any, Context, UndoStack], None]] = {
    StartCandidate: _start_candidate,
    VerifyCandidate: _verify_candidate,
    AwaitCandidate: _await_candidate,
    DiscardCandidate: _discard_candidate,
    Promote: _promote,
    AwaitServing: _await_serving,
    VerifyServing: _verify_serving,
    JudgeTraffic: _judge_traffic,
    ReplaceGateway: _replace_gateway,
    Scale: _scale,
    LoadVersions: _change_models,
    Reload: _change_models,
    RecordModels: _change_models,
    CheckServing: _check_serving,
}

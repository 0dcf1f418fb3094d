"""Executes a plan as it is: each step is written into the journal, carried out, and undone when a later one fails."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from deployer.engines.base import Engine
from deployer.errors import DeployerError, DeployFailed, NotReady
from deployer.results.checks import Report
from deployer.results.deployment import Deployment, Launch, format_models
from deployer.results.plan import (
    AwaitCandidate,
    AwaitServing,
    CheckServing,
    DiscardCandidate,
    JudgeTraffic,
    LoadVersions,
    Plan,
    Promote,
    RecordModels,
    Reload,
    ReplaceGateway,
    StartCandidate,
    Step,
    VerifyCandidate,
    VerifyServing,
)
from deployer.rollout import reload
from deployer.rollout.gate import Gate
from deployer.rollout.journal import Journal, best_effort, no_journal
from deployer.rollout.monitor import NO_MONITOR, TrafficMonitor
from deployer.rollout.readiness import attach_server_logs
from deployer.rollout.undo import Undo, UndoStack
from deployer.rollout.workspace import Progress, Workspace

PROMOTE_SECONDS = 15.0


@dataclass
class Context:
    """What the steps of one plan work with, and what they have come to: `serving` is the server at the address,
    `replaced` the one that a promotion takes it from.
    """

    workspace: Workspace
    launch: Launch
    gate: Gate
    serving: Deployment | None
    progress: Progress
    notice: Callable[[str], None]
    journal: Journal = no_journal
    monitor: TrafficMonitor = NO_MONITOR
    candidate: Deployment | None = None
    replaced: Deployment | None = None
    report: Report | None = None
    candidate_undo: Undo | None = None
    reload_undo: Undo | None = None
    background: list[Future[None]] = field(default_factory=list)
    pool: Executor = field(init=False)

    @property
    def engine(self) -> Engine:
        """The engine that runs the servers."""
        return self.workspace.engine

    def running(self) -> Deployment:
        """The server that serves."""
        if self.serving is None:
            raise RuntimeError("the plan has a step for a serving server, and none serves")
        return self.serving

    def started(self) -> Deployment:
        """The candidate."""
        if self.candidate is None:
            raise RuntimeError("the plan has a step for a candidate, and starts none")
        return self.candidate


def execute(plan: Plan, context: Context) -> tuple[Deployment, Report | None]:
    """Raises NotReady, VerificationFailed, EngineError, DeployFailed; what served before serves then."""
    with ThreadPoolExecutor(1) as context.pool, UndoStack() as undo:
        for step in plan.steps:
            _perform(step, context, undo)
        for each in context.background:
            each.result()
    return context.running(), context.report


def _perform(step: Step, context: Context, undo: UndoStack) -> None:
    context.journal(step.action)
    HANDLERS[type(step)](step, context, undo)


def _start_candidate(step: StartCandidate, context: Context, undo: UndoStack) -> None:
    from deployer.verification import smoke

    del step
    engine, launch = context.engine, context.launch
    engine.images.pull(context.progress)
    context.candidate_undo = undo.push(Undo(partial(engine.recover, *launch.key), "the candidate was removed"))
    context.progress(f"starting a candidate on the {engine.traits.name} engine")
    context.candidate = engine.stage(launch)
    smoke.get_ready(context.gate.models)  # while its server loads: that time is free


def _verify_candidate(step: VerifyCandidate, context: Context, _: UndoStack) -> None:
    with attach_server_logs(context.engine, context.started()):
        pace = context.serving if step.pace else None
        context.report = context.gate.prove(context.started(), pace)


def _await_candidate(step: AwaitCandidate, context: Context, _: UndoStack) -> None:
    del step
    with attach_server_logs(context.engine, context.started()):
        context.report = context.gate.await_available(context.started())


def _discard_candidate(step: DiscardCandidate, context: Context, undo: UndoStack) -> None:
    if context.candidate_undo is not None:
        undo.drop(context.candidate_undo)
    going = context.pool.submit(context.engine.discard, context.started())
    if step.background:
        context.background.append(going)
    else:
        going.result()


def _promote(step: Promote, context: Context, undo: UndoStack) -> None:
    candidate, old, report = context.started(), context.serving, context.report

    def accept(promoted: Deployment) -> None:
        context.serving = promoted
        try:
            for each in step.accepted_by:
                _perform(each, context, undo)
        except NotReady:
            raise
        except DeployerError as error:
            context.monitor.rolled_back()
            raise DeployFailed(f"the server was taken back: {error.message}", hint=error.hint, log=error.log) from error

    context.replaced = old
    context.progress("opening the public ports")
    context.monitor.switching()
    try:
        with attach_server_logs(context.engine, candidate):
            context.serving = context.engine.promote(candidate, PROMOTE_SECONDS, accept)
    except BaseException:
        context.serving = old
        raise
    context.report = report
    context.monitor.ended()


def _await_serving(step: AwaitServing, context: Context, _: UndoStack) -> None:
    del step
    with attach_server_logs(context.engine, context.running()):
        context.report = context.gate.await_available(context.running())


def _verify_serving(step: VerifyServing, context: Context, _: UndoStack) -> None:
    context.report = context.gate.prove(context.running(), again=step.again)


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
        # Going back to a server that is no more would leave nobody to serve.
        context.notice(f"{error.message}; it is not taken back: the server before it has ended")


def _replace_gateway(step: ReplaceGateway, context: Context, undo: UndoStack) -> None:
    def accept(reached: Deployment) -> None:
        context.serving = reached
        for each in step.accepted_by:
            _perform(each, context, undo)

    context.engine.images.pull(context.progress)
    context.progress("replacing the gateway")
    context.serving = context.engine.replace_gateway(context.running(), accept)


def _change_models(step: LoadVersions | Reload | RecordModels, context: Context, undo: UndoStack) -> None:
    if context.reload_undo is None:
        context.progress("reloading the running server")
        context.monitor.switching()
        context.reload_undo = undo.push(_restoring(context, context.running()))
    act: Any = {LoadVersions: reload.load, Reload: reload.switch, RecordModels: reload.record}[type(step)]
    context.serving = act(step, context.workspace, context.running())


def _restoring(context: Context, before: Deployment) -> Undo:
    journal = best_effort(context.journal)

    def restore() -> None:
        context.monitor.rolled_back()
        journal(f"roll back to {format_models(before.models)}")
        reload.restore(context.workspace, before, before.models, lambda step: journal(step.action))

    return Undo(restore, f"{format_models(before.models)} serves again", "the models were taken back")


def _check_serving(step: CheckServing, context: Context, _: UndoStack) -> None:
    del step
    context.report = context.gate.check_unchanged(context.running())


HANDLERS: dict[type[Step], Callable[[Any, Context, UndoStack], None]] = {
    AwaitCandidate: _await_candidate,
    AwaitServing: _await_serving,
    CheckServing: _check_serving,
    DiscardCandidate: _discard_candidate,
    JudgeTraffic: _judge_traffic,
    LoadVersions: _change_models,
    Promote: _promote,
    RecordModels: _change_models,
    Reload: _change_models,
    ReplaceGateway: _replace_gateway,
    StartCandidate: _start_candidate,
    VerifyCandidate: _verify_candidate,
    VerifyServing: _verify_serving,
}

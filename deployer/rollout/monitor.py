"""Measures what clients notice of a change, and judges it: `--measure`, `--max-failures`, `--max-gap`."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deployer.errors import DeployFailed, ModelNotFound
from deployer.results.deployment import Deployment, Launch, ServedModel
from deployer.results.model import Model
from deployer.results.plan import Change, Plan
from deployer.rollout.workspace import Workspace

if TYPE_CHECKING:
    from deployer.results.traffic import TrafficFigures
    from deployer.verification.traffic import GoldenQuestion, Serving, Traffic

AFTER_SECONDS = 1.0
Keep = Callable[["TrafficFigures"], None]


@dataclass(frozen=True)
class TrafficMonitor:
    """Told by a deploy when clients are switched; without traffic it measures and judges nothing."""

    traffic: Traffic | None = None
    before: tuple[ServedModel, ...] = ()
    after: tuple[ServedModel, ...] = ()
    max_failures: int | None = None
    max_gap_ms: float | None = None

    def switching(self) -> None:
        """From now on old and new versions may answer."""
        if self.traffic is not None:
            self.traffic.set_phase("during", _either(_highest(self.before), _highest(self.after)))

    def switched(self) -> None:
        """Only the new versions may answer; a moment later it is judged. Raises DeployFailed: take it back."""
        if self.traffic is not None:
            self.traffic.set_phase("after", _highest(self.after))
            time.sleep(AFTER_SECONDS)
            self._judge(self.traffic.figures())

    def swapped(self) -> None:
        """The same where the old server answers until it is retired: both may answer."""
        if self.traffic is not None:
            time.sleep(AFTER_SECONDS)
            self._judge(self.traffic.figures())

    def ended(self) -> None:
        """The old server is retired: a moment more is measured."""
        if self.traffic is not None:
            self.traffic.set_phase("after", _highest(self.after))
            time.sleep(AFTER_SECONDS)

    def rolled_back(self) -> None:
        """The old versions may answer again, and those that were tried until they are gone."""
        if self.traffic is not None:
            self.traffic.set_phase("after", _either(_highest(self.before), _highest(self.after)))

    @property
    def figures(self) -> TrafficFigures | None:
        """What was measured."""
        return self.traffic.figures() if self.traffic is not None else None

    def _judge(self, seen: TrafficFigures) -> None:
        if self.max_failures is not None and seen.failures > self.max_failures:
            raise DeployFailed(
                f"{seen.failures} of {seen.requests} requests failed, allowed are {self.max_failures}: "
                f"{seen.first_failure}"
            )
        if self.max_gap_ms is not None and seen.longest_gap_ms > self.max_gap_ms:
            raise DeployFailed(
                f"no answer came for {seen.longest_gap_ms:g} ms, allowed are {self.max_gap_ms:g}",
                hint="a gap is measured by the tool, on a machine that may be busy: --max-gap allows more",
            )


NO_MONITOR = TrafficMonitor()


@contextmanager
def monitor_traffic(
    workspace: Workspace, launch: Launch, plan: Plan, observed: Deployment | None, keep: Keep
) -> Iterator[TrafficMonitor]:
    """Traffic to what serves now, when it is wanted and something serves and changes; `keep` gets what was measured."""
    gate = workspace.spec.gate
    rate = gate.measure_rate
    if rate is None or observed is None or not observed.running or plan.change is Change.NOTHING:
        yield NO_MONITOR
        return
    from deployer.verification.traffic import Traffic

    asked = questions_for(workspace, launch, observed)
    if not asked:
        yield NO_MONITOR
        return
    # Connections of its own, as clients have; and what they are refused is lost to them, be it for load.
    client = dataclasses.replace(workspace.client(observed), patience=0.0)
    traffic = Traffic(client, asked, rate, workspace.tolerance, _highest(observed.models))
    traffic.start()
    try:
        yield TrafficMonitor(traffic, observed.models, launch.models, gate.max_failures, gate.max_gap_ms)
    finally:
        traffic.stop()
        keep(traffic.figures())


def questions_for(workspace: Workspace, launch: Launch, observed: Deployment) -> tuple[GoldenQuestion, ...]:
    """What clients are measured by: golden questions that models served before and after answer."""
    from deployer.verification.traffic import questions

    return questions(_known(workspace, (*observed.models, *launch.models)))


def _known(workspace: Workspace, served: tuple[ServedModel, ...]) -> list[Model]:
    """The versions that answer requests without a version, of models served before and after, as the store has them."""
    found = {}
    names = [model.name for model in served]
    for model in served:
        with contextlib.suppress(ModelNotFound):
            if names.count(model.name) > 1:
                version = max(model.versions)
                found[model.name, version] = workspace.store.get(model.name, version)
    return list(found.values())


def _highest(models: tuple[ServedModel, ...]) -> Serving:
    """Requests without a version go to the highest that is loaded."""
    return {model.name: frozenset({max(model.versions)}) for model in models}


def _either(before: Serving, after: Serving) -> Serving:
    return {name: before.get(name, frozenset()) | after.get(name, frozenset()) for name in {*before, *after}}

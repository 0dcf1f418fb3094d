"""Measures requests to the endpoint during a change, and applies `--max-failures` and `--max-gap`."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deployer.errors import DeployerError, DeployFailed, ModelNotFound
from deployer.results.deployment import Deployment
from deployer.results.launch import Launch
from deployer.results.model import Model
from deployer.results.plan import Change, Plan
from deployer.results.served import ServedModel
from deployer.rollout.workspace import Workspace

if TYPE_CHECKING:
    from deployer.results.traffic import TrafficFigures
    from deployer.verification.traffic import GoldenRequest, Serving, Traffic

AFTER_SECONDS = 1.0
"""How long traffic is measured after a switch before it is judged."""


@dataclass(frozen=True)
class TrafficMonitor:
    """Follows the phases of a change, and judges the measured traffic; without traffic it does nothing.

    The executor calls a method at each phase: `switching`, then `switched` or `swapped` and `ended`, or `rolled_back`.
    """

    traffic: Traffic | None = None
    before: tuple[ServedModel, ...] = ()
    after: tuple[ServedModel, ...] = ()
    max_failures: int | None = None
    max_gap_ms: float | None = None

    def switching(self) -> None:
        """Accept answers of old and new versions from now on."""
        if self.traffic is not None:
            self.traffic.set_phase("during", _either(_highest(self.before), _highest(self.after)))

    def switched(self) -> None:
        """Accept answers of the new versions only, and judge the traffic a second later. Raises DeployFailed."""
        if self.traffic is not None:
            self.traffic.set_phase("after", _highest(self.after))
            time.sleep(AFTER_SECONDS)
            self._judge(self.traffic.figures())

    def swapped(self) -> None:
        """Judge the traffic while the old server may still answer. Raises DeployFailed."""
        if self.traffic is not None:
            time.sleep(AFTER_SECONDS)
            self._judge(self.traffic.figures())

    def ended(self) -> None:
        """Measure for another second, once the old server is retired."""
        if self.traffic is not None:
            self.traffic.set_phase("after", _highest(self.after))
            time.sleep(AFTER_SECONDS)

    def rolled_back(self) -> None:
        """Accept answers of old and new versions, until the new ones are gone."""
        if self.traffic is not None:
            self.traffic.set_phase("after", _either(_highest(self.before), _highest(self.after)))

    @property
    def figures(self) -> TrafficFigures | None:
        """The figures so far; None without traffic."""
        return self.traffic.figures() if self.traffic is not None else None

    def _judge(self, figures: TrafficFigures) -> None:
        if self.max_failures is not None and figures.failures > self.max_failures:
            raise DeployFailed(
                f"{figures.failures} of {figures.requests} requests failed until then, "
                f"allowed are {self.max_failures}: {figures.first_failure}"
            )
        if self.max_gap_ms is not None and figures.longest_gap_ms > self.max_gap_ms:
            raise DeployFailed(
                f"no answer came for {figures.longest_gap_ms:g} ms, allowed are {self.max_gap_ms:g}",
                hint="a gap is measured by the tool, on a machine that may be busy: --max-gap allows more",
            )


NO_MONITOR = TrafficMonitor()


@contextmanager
def monitor_traffic(
    workspace: Workspace,
    launch: Launch,
    plan: Plan,
    observed: Deployment | None,
    keep: Callable[[TrafficFigures], None],
) -> Iterator[TrafficMonitor]:
    """Send golden questions to the serving deployment during a change, and pass the figures to `keep`.

    Yields NO_MONITOR where measuring is not asked for, nothing serves, or nothing changes. An error gets the figures as
    a notice: requests may have failed since the traffic was judged, while the change was undone.
    """
    gate = workspace.spec.gate
    rate = gate.measure_rate
    measurable = observed is not None and observed.running and not observed.direct_endpoints
    if rate is None or observed is None or not measurable or plan.change is Change.NOTHING:
        yield NO_MONITOR
        return
    from deployer.verification.traffic import Traffic

    questions = questions_for(workspace, launch, observed)
    if not questions:
        yield NO_MONITOR
        return
    # Like a client: with its own connections, and without asking again after a refusal for load.
    client = dataclasses.replace(workspace.client(observed), retry_seconds=0.0)
    traffic = Traffic(client, questions, rate, workspace.tolerance, _highest(observed.models))
    traffic.start()
    try:
        yield TrafficMonitor(traffic, observed.models, launch.models, gate.max_failures, gate.max_gap_ms)
    except DeployerError as error:
        traffic.stop()
        error.notices = (*error.notices, f"in all, {traffic.figures()}")
        raise
    finally:
        traffic.stop()
        keep(traffic.figures())


def questions_for(workspace: Workspace, launch: Launch, observed: Deployment) -> tuple[GoldenRequest, ...]:
    """Return the golden questions of the models that are served both before and after a launch."""
    from deployer.verification import traffic

    return traffic.golden_requests(_stored_models(workspace, (*observed.models, *launch.models)))


def _stored_models(workspace: Workspace, served: tuple[ServedModel, ...]) -> list[Model]:
    """Return the highest versions of models that occur twice in `served`, as far as the store has these very files.

    Two stores may have different models under one number: the answers of one are wrong for the other.
    """
    stored: dict[tuple[str, int], Model] = {}
    others: set[tuple[str, int]] = set()
    names = [model.name for model in served]
    for model in served:
        with contextlib.suppress(ModelNotFound):
            if names.count(model.name) > 1:
                version = max(model.versions)
                key = model.name, version
                stored[key] = workspace.store.get(*key)
                if model.digest_of(version) not in {"", stored[key].digest}:
                    others.add(key)
    return [found for key, found in stored.items() if key not in others]


def _highest(models: tuple[ServedModel, ...]) -> Serving:
    """Return which version answers requests without a version: the highest."""
    return {model.name: frozenset({max(model.versions)}) for model in models}


def _either(before: Serving, after: Serving) -> Serving:
    return {name: before.get(name, frozenset()) | after.get(name, frozenset()) for name in {*before, *after}}

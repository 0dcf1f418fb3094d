"""Records each change of a deployment in the ledger: its steps before they run, and its outcome."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deployer.errors import DeployerError, LedgerError
from deployer.results.deployment import Deployment
from deployer.results.history import Outcome
from deployer.results.launch import Launch
from deployer.results.plan import Change, Plan
from deployer.results.steps import Step
from deployer.rollout.ledger import Ledger
from deployer.rollout.release_settings import ReleaseSettings

if TYPE_CHECKING:
    from deployer.results.traffic import TrafficFigures

Journal = Callable[[Step], None]
"""Writes a step before it runs."""


def no_journal(_: Step) -> None:
    """Write nothing."""


def best_effort(journal: Journal) -> Journal:
    """Return a journal that ignores errors: a rollback must not fail because it cannot be recorded."""

    def write(step: Step) -> None:
        with contextlib.suppress(LedgerError):
            journal(step)

    return write


@dataclass(frozen=True)
class ReleaseRecord:
    """The record of a release under way; without a number, nothing is recorded."""

    ledger: Ledger
    number: int | None

    def step(self, step: Step) -> None:
        """Write a step before it runs."""
        if self.number is not None:
            self.ledger.step(self.number, step.action, is_private=step.is_private)

    def started(self, server: str) -> None:
        """Write which server was started as the candidate."""
        if self.number is not None:
            self.ledger.started(self.number, server)

    def keep_figures(self, traffic: TrafficFigures) -> None:
        """Keep the measured traffic."""
        if self.number is not None:
            self.ledger.keep_figures(self.number, traffic)

    def keep_settings(self, deployment: Deployment) -> None:
        """Keep the settings of the containers that serve now, and the image of a gateway that was disabled."""
        if self.number is not None:
            before = None
            with contextlib.suppress(LedgerError):
                before = self.ledger.settings(deployment.name, deployment.env, deployment.engine)
            self.ledger.keep_settings(self.number, ReleaseSettings.of(deployment).keep_gateway_image(before))


@contextmanager
def record_release(  # noqa: PLR0913
    ledger: Ledger,
    subject: Launch | Deployment,
    plan: Plan,
    engine: str,
    *,
    note: str = "",
    reason: str = "",
    store: str = "",
) -> Iterator[ReleaseRecord]:
    """Record one release, with `reason` as its detail while it is under way, and `note` once it has succeeded.

    A plan that changes nothing is not recorded. Call it while the deployment is locked.
    """
    if plan.change is Change.NOTHING:
        yield ReleaseRecord(ledger, None)
        return
    began = time.monotonic()
    with ledger.keep_open() as connected:
        number = connected.begin(
            subject.name, subject.env, engine, plan.change.value, subject.models, reason=reason, store=store
        )
        try:
            yield ReleaseRecord(connected, number)
        except BaseException as error:
            connected.end(number, Outcome.FAILED, time.monotonic() - began, _detail(error))
            raise
        try:
            connected.end(number, Outcome.SUCCEEDED, time.monotonic() - began, note)
        except LedgerError as error:
            raise LedgerError(f"the change is made, but {error.message}", hint=error.hint) from error


def _detail(error: BaseException) -> str:
    return error.message if isinstance(error, DeployerError) else type(error).__name__

"""Writes each change of a deployment into the ledger: its steps before they are done, and how it ended."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deployer.errors import DeployerError, LedgerError
from deployer.results.deployment import Deployment, Launch
from deployer.results.history import Outcome
from deployer.results.plan import Change, Plan
from deployer.rollout.ledger import Ledger

if TYPE_CHECKING:
    from deployer.results.traffic import TrafficFigures

Journal = Callable[[str], None]
"""Writes what is done next."""


def no_journal(_: str) -> None:
    """The steps of what changes nothing."""


def best_effort(journal: Journal) -> Journal:
    """The same for what is undone: that must not fail because it cannot be written down."""

    def written(text: str) -> None:
        with contextlib.suppress(LedgerError):
            journal(text)

    return written


@dataclass(frozen=True)
class Record:
    """A release under way; None is one that changes nothing, of which nothing is written."""

    ledger: Ledger
    number: int | None

    def step(self, text: str) -> None:
        """Write what is done next."""
        if self.number is not None:
            self.ledger.step(self.number, text)

    def measured(self, traffic: TrafficFigures) -> None:
        """Keep what clients noticed."""
        if self.number is not None:
            self.ledger.measured(self.number, traffic)


@contextmanager
def record_release(  # noqa: PLR0913 - what is written of a release
    ledger: Ledger, subject: Launch | Deployment, plan: Plan, engine: str, *, note: str = "", reason: str = ""
) -> Iterator[Record]:
    """One release; a plan that changes nothing is none. `reason` is said of it while it is under way, `note`
    afterwards.

    Call it with the deployment's lock held.
    """
    if plan.change is Change.NOTHING:
        yield Record(ledger, None)
        return
    began = time.monotonic()
    with ledger.kept_open() as kept:
        number = kept.begin(subject.name, subject.env, engine, plan.change.value, subject.models, reason=reason)
        try:
            yield Record(kept, number)
        except BaseException as error:
            kept.end(number, Outcome.FAILED, time.monotonic() - began, _reason(error))
            raise
        try:
            kept.end(number, Outcome.SUCCEEDED, time.monotonic() - began, note)
        except LedgerError as error:
            raise LedgerError(f"the change is made, but {error.message}", hint=error.hint) from error


def _reason(error: BaseException) -> str:
    return error.message if isinstance(error, DeployerError) else type(error).__name__

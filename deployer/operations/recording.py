"""Writes each change of a deployment into the ledger: before it is begun, and how it ended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from deployer.deployment import Change, Deployment, Launch, Plan
from deployer.errors import DeployerError
from deployer.ledger import Ledger
from deployer.report import Outcome


@contextmanager
def recorded(ledger: Ledger, subject: Launch | Deployment, plan: Plan, engine: str) -> Iterator[None]:
    """One release; a plan that changes nothing is none. Call it with the deployment's lock held."""
    if plan.change is Change.NOTHING:
        yield
        return
    began = time.monotonic()
    number = ledger.begin(subject.name, subject.env, engine, plan.change.value, subject.models)
    try:
        yield
    except BaseException as error:
        ledger.end(number, Outcome.FAILED, time.monotonic() - began, _reason(error))
        raise
    ledger.end(number, Outcome.GOOD, time.monotonic() - began)


def _reason(error: BaseException) -> str:
    return error.message if isinstance(error, DeployerError) else type(error).__name__

"""Releases in the history."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from deployer.results.served import ServedModel

if TYPE_CHECKING:
    from deployer.results.traffic import TrafficFigures


ROLLBACK = "rollback"
"""The detail of a release that a rollback made."""
REDEPLOY, LABEL, SCALE = "redeploy", "label", "scale"
"""The details of releases that the commands of that name made."""


class Outcome(Enum):
    """The outcome of a release."""

    UNDER_WAY = "under way"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"

    @classmethod
    def _missing_(cls, value: object) -> Outcome | None:
        return cls.SUCCEEDED if value == "good" else None  # the word of older ledgers


@dataclass(frozen=True)
class Release:
    """A change of a deployment; `change` is the kind of its plan, `detail` says why it failed or who asked for it."""

    number: int
    name: str
    env: str
    engine: str
    change: str
    models: tuple[ServedModel, ...]
    who: str
    began: str
    seconds: float | None
    outcome: Outcome
    detail: str = ""
    traffic: TrafficFigures | None = None
    store: str = ""
    """The directory of the store that its versions were read from; empty if it is unknown."""
    server: str = ""
    """The server that it started as its candidate, or removed; empty if it did neither."""
    address: str = ""
    """The address of the engine; empty for the embedded engine, and for a release of an older deployer."""


@dataclass(frozen=True)
class HistoryResult:
    """Releases, the newest first; `notices` say which histories are lost, and how to show others."""

    releases: tuple[Release, ...]
    notices: tuple[str, ...] = ()

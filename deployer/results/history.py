"""Changes as the history has them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from deployer.results.deployment import ServedModel

if TYPE_CHECKING:
    from deployer.results.traffic import TrafficFigures


ROLLBACK = "rollback"
"""What the history says of a release that goes back."""
REDEPLOY, LABEL = "redeploy", "label"
"""What it says of those that the commands of that name made."""


class Outcome(Enum):
    """How a release ended."""

    UNDER_WAY = "under way"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"

    @classmethod
    def _missing_(cls, value: object) -> Outcome | None:
        """Histories of earlier releases say `good`."""
        return cls.SUCCEEDED if value == "good" else None


@dataclass(frozen=True)
class Release:
    """A change as the history has it; `change` is the plan's, `detail` tells why it failed."""

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


@dataclass(frozen=True)
class HistoryResult:
    """Releases, the newest first; `notices` say of what is deployed that its history is lost, and, where there is
    none, what command shows one.
    """

    releases: tuple[Release, ...]
    notices: tuple[str, ...] = ()

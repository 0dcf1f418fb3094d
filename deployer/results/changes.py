"""What the verbs did that change a deployment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deployer.results.deployment import Endpoints, ServedModel
from deployer.results.plan import Plan

if TYPE_CHECKING:
    from deployer.results.checks import Report
    from deployer.results.traffic import TrafficFigures


@dataclass(frozen=True)
class UpResult:
    """What `up` did; after a dry run `endpoints` and `report` are None, and `traffic` where it was not measured.

    `notices` say what was chosen without being asked for, each with its reason, what the exports left out or renamed,
    what killed commands had left, what others can reach, and what the change takes back.
    """

    name: str
    env: str
    engine: str
    models: tuple[ServedModel, ...]
    endpoints: Endpoints | None
    plan: Plan
    report: Report | None
    traffic: TrafficFigures | None = None
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class TokenResult:
    """A new bearer token, which is kept nowhere; None after one was taken back. `file` has the hashes. `notices` say
    that it replaces another.
    """

    name: str
    token: str | None
    file: Path
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class DownResult:
    """What `down` removed; `state_dir` is that of another directory than the one in which it was asked."""

    """What `down` removed; `notices` say what was found beside it, and what was mended or left alone."""

    name: str
    env: str
    engine: str
    plan: Plan
    project: str = ""
    state_dir: Path | None = None
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class UnlockResult:
    """Who holds the lock on a deployment, None for nobody; `taken` when it was taken away."""

    name: str
    env: str
    owner: str | None
    taken: bool

"""Results of the commands that change a deployment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deployer.results.deployment import Endpoints
from deployer.results.plan import Plan
from deployer.results.served import ServedModel

if TYPE_CHECKING:
    from deployer.results.checks import Report
    from deployer.results.traffic import TrafficFigures


@dataclass(frozen=True)
class UpResult:
    """The result of `up`, `redeploy`, `label`, `rollback` or `scale`."""

    name: str
    """Empty where the plan pulls an image, and only that image has the name."""

    env: str
    engine: str
    models: tuple[ServedModel, ...]
    """Empty where the plan pulls an image."""

    endpoints: Endpoints | None
    """None after a dry run."""

    plan: Plan
    report: Report | None
    """The verification; None after a dry run."""

    traffic: TrafficFigures | None = None
    """The measured requests; None where nothing was measured."""

    served_before: tuple[ServedModel, ...] = ()
    """What was served before; nothing before the first deploy, and after a dry run."""

    notices: tuple[str, ...] = ()
    """Defaults that were chosen, notes of exports, recovery after killed commands, exposure, reverted changes."""


@dataclass(frozen=True)
class TokenResult:
    """A new or revoked bearer token."""

    name: str
    token: str | None
    """The token, which is stored nowhere; None after it was revoked."""

    file: Path
    """The file with the hashes of all tokens."""

    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class DownResult:
    """A deployment that `down` removed."""

    name: str
    env: str
    engine: str
    plan: Plan
    project: str = ""
    state_dir: Path | None = None
    """The state directory, if it is another one than that of the workspace."""

    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class UnlockResult:
    """The lock of a deployment."""

    name: str
    env: str
    owner: str | None
    """The command that holds the lock; None if it is free."""

    taken: bool
    """Whether the lock was broken."""

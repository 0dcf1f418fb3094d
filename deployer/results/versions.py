"""What the store's verbs return."""

from __future__ import annotations

from dataclasses import dataclass

from deployer.results.model import Model


@dataclass(frozen=True)
class ExportResult:
    """`created` is False when the store has a version with this content. `notices` say what was fixed, renamed,
    left out or chosen without being asked for."""

    model: Model
    created: bool
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class VersionsResult:
    """Models and their versions, ascending."""

    models: tuple[Model, ...]


@dataclass(frozen=True)
class PruneResult:
    """Versions that stay, and those that were removed, or would be when it is not `done`."""

    kept: tuple[Model, ...]
    removed: tuple[Model, ...]
    done: bool


@dataclass(frozen=True)
class InspectResult:
    """A model with a `curl` line for each signature that REST can ask; `path` is its folder. `notes` say what to look
    out for: fixed batch sizes, ops that the server would not know."""

    model: Model
    curl: tuple[str, ...]
    notes: tuple[str, ...] = ()

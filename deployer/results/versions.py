"""Results of the commands for the store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deployer.results.model import Model


@dataclass(frozen=True)
class ExportResult:
    """The version of an export; `created` is False if the store had a version with this content."""

    model: Model
    created: bool
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class VersionsResult:
    """Versions of models, ascending."""

    models: tuple[Model, ...]


@dataclass(frozen=True)
class PruneResult:
    """Versions that stay, and those that were removed; if not `done`, that would be removed."""

    kept: tuple[Model, ...]
    removed: tuple[Model, ...]
    done: bool
    reasons: tuple[str, ...]
    """Why each version of `kept` stays."""

    store: Path
    """The store that they are in."""


@dataclass(frozen=True)
class InspectResult:
    """A model with examples of requests."""

    model: Model
    curl: tuple[str, ...]
    """A command for each signature that REST can serve, for the deployment or for the default port."""

    notes: tuple[str, ...] = ()
    """Whether it is served, fixed batch sizes, ops that the server does not know."""

    served: bool | None = False
    """Whether a deployment of the project serves it; None for a directory, and if an engine does not answer."""

    stored: bool = True
    """False for a directory that was given by its path."""

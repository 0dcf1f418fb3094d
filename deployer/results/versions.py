"""What the store's verbs return."""

from __future__ import annotations

from dataclasses import dataclass

from deployer.results.model import Model


@dataclass(frozen=True)
class ExportResult:
    """`created` is False when the store has a version with this content. `notices` say what was fixed, renamed,
    left out or chosen without being asked for.
    """

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
    """A model with a `curl` line for each signature that REST can ask. `notes` say what to look out for: that nothing
    serves it, fixed batch sizes, ops that the server would not know.

    `served` tells whether a deployment of the project serves it, at the address of the lines; otherwise they are
    examples with TensorFlow Serving's usual port. It is None where an engine could not be asked, and for a folder.
    `stored` is false for a folder that was given by its path.
    """

    model: Model
    curl: tuple[str, ...]
    notes: tuple[str, ...] = ()
    served: bool | None = False
    stored: bool = True

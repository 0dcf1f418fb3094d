"""Decide which versions are aspired, and which one to load or unload next; pure functions without clock and disk.

Sources: `sources/storage_path/file_system_storage_path_source.cc` and `core/availability_preserving_policy.cc`.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable


class Choice(enum.Enum):
    """The three kinds of version policy."""

    LATEST = "latest"
    ALL = "all"
    SPECIFIC = "specific"


@dataclasses.dataclass(frozen=True)
class VersionPolicy:
    """`latest` with a number, `all`, or `specific` with version numbers."""

    choice: Choice = Choice.LATEST
    number: int = 1
    versions: frozenset[int] = frozenset()

    def aspired(self, on_disk: Iterable[int]) -> list[int]:
        """Return the versions to serve, highest first."""
        found = sorted(on_disk, reverse=True)
        if self.choice is Choice.LATEST:
            return found[: max(self.number, 1)]
        if self.choice is Choice.SPECIFIC:
            return [version for version in found if version in self.versions]
        return found


class State(enum.IntEnum):
    """The states of a version, with the numbers of ModelVersionStatus."""

    UNKNOWN = 0
    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """A managed version as the policy sees it."""

    version: int
    state: State
    aspired: bool


@dataclasses.dataclass(frozen=True)
class Action:
    """The next action on a version."""

    load: bool
    version: int


def next_action(snapshots: Iterable[Snapshot]) -> Action | None:
    """Return the next action that keeps the model available: unload a spare version, or load the highest new one."""
    managed = list(snapshots)
    removable = sorted(s.version for s in managed if s.state is State.AVAILABLE and not s.aspired)
    any_aspired = any(s.aspired for s in managed)
    aspired_available = any(s.aspired and s.state is State.AVAILABLE for s in managed)
    if removable and (not any_aspired or aspired_available or len(removable) > 1):
        return Action(load=False, version=removable[0])
    new = [s.version for s in managed if s.aspired and s.state is State.START]
    return Action(load=True, version=max(new)) if new else None

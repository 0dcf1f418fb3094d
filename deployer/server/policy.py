"""Which versions are wanted, and which one to load or unload next: pure rules, no clock and no disk.

Sources: `sources/storage_path/file_system_storage_path_source.cc` and `core/availability_preserving_policy.cc`.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable


class Choice(enum.Enum):
    """The three ways to choose among the versions on disk."""

    LATEST = "latest"
    ALL = "all"
    SPECIFIC = "specific"


@dataclasses.dataclass(frozen=True)
class VersionPolicy:
    """`latest` with how many, `all`, or `specific` with which."""

    choice: Choice = Choice.LATEST
    number: int = 1
    versions: frozenset[int] = frozenset()

    def wanted(self, on_disk: Iterable[int]) -> list[int]:
        """Return the versions to serve, highest first."""
        found = sorted(on_disk, reverse=True)
        if self.choice is Choice.LATEST:
            return found[: max(self.number, 1)]
        if self.choice is Choice.SPECIFIC:
            return [version for version in found if version in self.versions]
        return found


class State(enum.IntEnum):
    """Life of a version, with the numbers of ModelVersionStatus."""

    UNKNOWN = 0
    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """One managed version as the rule sees it."""

    version: int
    state: State
    wanted: bool


@dataclasses.dataclass(frozen=True)
class Action:
    """What to do next with one version."""

    load: bool
    version: int


def next_action(snapshots: Iterable[Snapshot]) -> Action | None:
    """Keep the model available: unload only what can be spared, then load the highest new version."""
    held = list(snapshots)
    spare = sorted(s.version for s in held if s.state is State.AVAILABLE and not s.wanted)
    any_wanted = any(s.wanted for s in held)
    wanted_serves = any(s.wanted and s.state is State.AVAILABLE for s in held)
    if spare and (not any_wanted or wanted_serves or len(spare) > 1):
        return Action(load=False, version=spare[0])
    new = [s.version for s in held if s.wanted and s.state is State.START]
    return Action(load=True, version=max(new)) if new else None

"""What every version went through: the states that status requests answer, and waiting for them.

Source: `core/servable_state_monitor.cc`.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterable

from deployer.server.policy import State
from deployer.server.status import ServingError


@dataclasses.dataclass(frozen=True)
class VersionState:
    """The last known state of one version, and why it ended if it failed."""

    version: int
    state: State
    error: ServingError | None = None


class Waiter:
    """Collects, for each of some models, the first version that serves or fails after the wait began."""

    def __init__(self, names: Iterable[str]) -> None:
        self.missing = set(names)
        self.reached: dict[str, VersionState] = {}

    def see(self, name: str, state: VersionState) -> None:
        """Take note of a change of state."""
        if name in self.missing and state.state in (State.AVAILABLE, State.END):
            self.missing.discard(name)
            self.reached[name] = state

    def failures(self) -> list[tuple[str, VersionState]]:
        """Return the models whose first version to come did not serve, by name."""
        return sorted((name, state) for name, state in self.reached.items() if state.state is not State.AVAILABLE)


class StateMonitor:
    """The states of all versions ever managed, newest version first; safe between threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._states: dict[str, dict[int, VersionState]] = {}
        self._waiters: list[Waiter] = []
        self._stopped = False

    def publish(self, name: str, state: VersionState) -> None:
        """Record a change of state and wake those who wait for it."""
        with self._changed:
            self._states.setdefault(name, {})[state.version] = state
            for waiter in self._waiters:
                waiter.see(name, state)
            self._changed.notify_all()

    def versions(self, name: str) -> list[VersionState]:
        """Return all versions of a model that ever were managed, highest number first."""
        with self._changed:
            states = self._states.get(name, {})
            return [states[version] for version in sorted(states, reverse=True)]

    def available(self, name: str, version: int) -> bool:
        """Tell whether this version serves now."""
        with self._changed:
            state = self._states.get(name, {}).get(version)
            return state is not None and state.state is State.AVAILABLE

    def expect(self, names: Iterable[str]) -> Waiter:
        """Begin to watch for models; call it before the change that brings them."""
        waiter = Waiter(names)
        with self._changed:
            self._waiters.append(waiter)
        return waiter

    def wait(self, waiter: Waiter) -> bool:
        """Wait until every model of the waiter serves or failed; False when the server stops first."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or not waiter.missing)
            self._waiters.remove(waiter)
            return not waiter.missing

    def stop(self) -> None:
        """Release everyone who waits."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

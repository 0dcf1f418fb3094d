"""The states of all versions: the data of status requests, and waiting for changes.

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
    """The last known state of one version, with the error if it failed."""

    version: int
    state: State
    error: ServingError | None = None


class Waiter:
    """Collects, for several models, the first version that serves or fails after the wait started."""

    def __init__(self, names: Iterable[str]) -> None:
        self.pending = set(names)
        self.results: dict[str, VersionState] = {}

    def observe(self, name: str, state: VersionState) -> None:
        """Record a state change."""
        if name in self.pending and state.state in (State.AVAILABLE, State.END):
            self.pending.discard(name)
            self.results[name] = state

    def failures(self) -> list[tuple[str, VersionState]]:
        """Return the models whose first version did not serve, by name."""
        return sorted((name, state) for name, state in self.results.items() if state.state is not State.AVAILABLE)


class StateMonitor:
    """The states of all versions ever managed; thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._states: dict[str, dict[int, VersionState]] = {}
        self._waiters: list[Waiter] = []
        self._stopped = False

    def publish(self, name: str, state: VersionState) -> None:
        """Record a state change and wake the waiting threads."""
        with self._changed:
            self._states.setdefault(name, {})[state.version] = state
            for waiter in self._waiters:
                waiter.observe(name, state)
            self._changed.notify_all()

    def versions(self, name: str) -> list[VersionState]:
        """Return all versions of a model that were ever managed, highest number first."""
        with self._changed:
            states = self._states.get(name, {})
            return [states[version] for version in sorted(states, reverse=True)]

    def available(self, name: str, version: int) -> bool:
        """Return whether this version serves now."""
        with self._changed:
            state = self._states.get(name, {}).get(version)
            return state is not None and state.state is State.AVAILABLE

    def expect(self, names: Iterable[str]) -> Waiter:
        """Start watching models; call it before the change that loads them."""
        waiter = Waiter(names)
        with self._changed:
            self._waiters.append(waiter)
        return waiter

    def wait(self, waiter: Waiter) -> bool:
        """Wait until every model of the waiter serves or failed; return False if the server stops first."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or not waiter.pending)
            self._waiters.remove(waiter)
            return not waiter.pending

    def stop(self) -> None:
        """Release all waiting threads."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

"""Load and unload versions: a state machine per version, one thread that decides, others that execute.

Sources: `core/aspired_versions_manager.cc`, `core/basic_manager.cc`, `core/loader_harness.cc`. A version is freed only
when no request uses it any more.
"""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, Protocol, TypeVar

from deployer.server.log import LOG
from deployer.server.monitor import StateMonitor, VersionState
from deployer.server.policy import Snapshot, State, next_action
from deployer.server.status import Code, ServingError, not_found


class Closable(Protocol):
    """The interface of a loaded version for the manager."""

    def close(self) -> None:
        """Free the version's resources."""


S = TypeVar("S", bound=Closable)


@dataclasses.dataclass(frozen=True)
class LoadSettings:
    """Retries and threads of loads; times in seconds."""

    retries: int = 5
    retry_seconds: float = 60.0
    threads: int = 0


@dataclasses.dataclass(eq=False)
class Harness(Generic[S]):
    """One managed version; its fields change only under the manager's lock."""

    name: str
    version: int
    path: str
    aspired: bool = True
    state: State = State.START
    servable: S | None = None
    users: int = 0
    cancelled: threading.Event = dataclasses.field(default_factory=threading.Event)

    def __str__(self) -> str:
        return f"{{name: {self.name} version: {self.version}}}"

    def loaded(self) -> S:
        """Return the servable; only for a caller that has acquired the version."""
        if self.servable is None:
            raise ServingError(Code.UNAVAILABLE, f"{self} is not loaded")
        return self.servable


class Manager(Generic[S]):
    """Loads the aspired versions and unloads the others, one action per model at a time."""

    def __init__(self, load: Callable[[str, str], S], monitor: StateMonitor, rules: LoadSettings) -> None:
        self._load_servable = load
        self._monitor = monitor
        self._rules = rules
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._managed: dict[str, dict[int, Harness[S]]] = {}
        self._serving: dict[str, dict[int, Harness[S]]] = {}
        self._pending: dict[str, dict[int, str]] = {}
        self._has_news = False
        self._stopped = threading.Event()
        self._loaders = ThreadPoolExecutor(4 * (os.cpu_count() or 1), "first-load")
        self._thread = threading.Thread(target=self._run, name="manager", daemon=True)

    def start(self) -> None:
        """Start deciding."""
        self._thread.start()

    def stop(self) -> None:
        """Stop deciding; loaded versions stay usable."""
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()

    def end_first_load(self) -> None:
        """Switch from the many threads of the first load to `num_load_threads`."""
        with self._changed:
            first, self._loaders = self._loaders, ThreadPoolExecutor(max(1, self._rules.threads), "load")
        first.shutdown(wait=False)

    def aspire(self, name: str, versions: dict[int, str]) -> None:
        """Set the aspired versions of a model, as paths by number."""
        with self._changed:
            self._pending[name] = versions
            self._notify()

    def acquire(self, name: str, version: int | None) -> Harness[S]:
        """Return an available version, by default the highest; the caller must release it. Raises ServingError."""
        with self._lock:
            serving = self._serving.get(name)
            harness = serving.get(max(serving) if version is None else version) if serving else None
            if harness is None:
                which = f"Latest({name})" if version is None else f"Specific({name}, {version})"
                raise not_found(f"Servable not found for request: {which}")
            harness.users += 1
            return harness

    def release(self, harness: Harness[S]) -> None:
        """Release a version that `acquire` returned."""
        with self._lock:
            harness.users -= 1
            if not harness.users and harness.state is State.UNLOADING:
                self._changed.notify_all()

    def _run(self) -> None:
        with self._changed:
            while not self._stopped.is_set():
                self._has_news = False
                for name in list(self._managed):
                    self._drop_ended(name)
                self._apply_pending()
                for name in list(self._managed):
                    self._run_actions(name)
                self._changed.wait_for(lambda: self._has_news or self._stopped.is_set())

    def _notify(self) -> None:
        self._has_news = True
        self._changed.notify_all()

    def _is_still_unloading(self, name: str) -> bool:
        """Return whether an aspired version is still being unloaded; then the whole update waits."""
        managed = self._managed.get(name, {})
        returning = [managed[version] for version in self._pending[name] if version in managed]
        return any(not entry.aspired and entry.state is not State.AVAILABLE for entry in returning)

    def _apply_pending(self) -> None:
        for name in [name for name in self._pending if not self._is_still_unloading(name)]:
            versions = self._pending.pop(name)
            managed = self._managed.setdefault(name, {})
            for version in managed.keys() - versions.keys():
                managed[version].aspired = False
                managed[version].cancelled.set()
            for version in managed.keys() & versions.keys():
                managed[version].aspired = True
                managed[version].cancelled.clear()
            for version in sorted(versions.keys() - managed.keys()):
                managed[version] = Harness(name, version, versions[version])
                self._publish(managed[version], State.START)
            self._drop_ended(name)

    def _drop_ended(self, name: str) -> None:
        """Forget versions that are neither aspired nor alive, so that they can be loaded again later."""
        managed = self._managed[name]
        for entry in [entry for entry in managed.values() if not entry.aspired]:
            if entry.state is State.START:
                self._publish(entry, State.END)
            if entry.state is State.END:
                del managed[entry.version]
        if not managed:
            del self._managed[name]

    def _next(self, name: str) -> tuple[bool, Harness[S]] | None:
        managed = self._managed[name]
        if any(entry.state is State.UNLOADING for entry in managed.values()):
            return None
        action = next_action(Snapshot(e.version, e.state, e.aspired) for e in managed.values())
        return None if action is None else (action.load, managed[action.version])

    def _run_actions(self, name: str) -> None:
        while (action := self._next(name)) is not None:
            load, harness = action
            if load:
                self._publish(harness, State.LOADING)
                self._loaders.submit(self._load, harness)
            else:
                self._quiesce(harness)
                threading.Thread(target=self._unload, args=(harness,), name=f"unload {harness}", daemon=True).start()

    def _quiesce(self, harness: Harness[S]) -> None:
        serving = self._serving[harness.name]
        del serving[harness.version]
        if not serving:
            del self._serving[harness.name]
        self._publish(harness, State.UNLOADING)

    def _load(self, harness: Harness[S]) -> None:
        LOG.info("Loading servable version %s", harness)
        try:
            servable = self._load_with_retries(harness)
        except Exception as raised:  # noqa: BLE001 - whatever a load raises, the version must reach its end state
            error = raised if isinstance(raised, ServingError) else ServingError(Code.UNKNOWN, repr(raised))
            LOG.error("Loading servable: %s failed: %s", harness, error)
            with self._changed:
                self._publish(harness, State.END, error)
                self._notify()
            return
        with self._changed:
            harness.servable = servable
            self._serving.setdefault(harness.name, {})[harness.version] = harness
            self._publish(harness, State.AVAILABLE)
            self._notify()
        LOG.info("Successfully loaded servable version %s", harness)

    def _load_with_retries(self, harness: Harness[S]) -> S:
        for retries_left in range(self._rules.retries, 0, -1):
            try:
                return self._load_servable(harness.name, harness.path)
            except ServingError as error:  # noqa: PERF203 - the retry loop
                LOG.warning("Loading servable version %s failed, %d retries left: %s", harness, retries_left, error)
                harness.cancelled.wait(max(0.0, self._rules.retry_seconds))
                if self._is_cancelled(harness):
                    raise
        return self._load_servable(harness.name, harness.path)

    def _is_cancelled(self, harness: Harness[S]) -> bool:
        return harness.cancelled.is_set() or self._stopped.is_set()

    def _unload(self, harness: Harness[S]) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not harness.users)
            servable, harness.servable = harness.servable, None
        if servable is not None:
            servable.close()
        LOG.info("Done unloading servable version %s", harness)
        with self._changed:
            self._publish(harness, State.END)
            self._notify()

    def _publish(self, harness: Harness[S], state: State, error: ServingError | None = None) -> None:
        harness.state = state
        self._monitor.publish(harness.name, VersionState(harness.version, state, error))

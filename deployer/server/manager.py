"""Loading and unloading: a state machine per version, one thread that decides, others that do.

Sources: `core/aspired_versions_manager.cc`, `core/basic_manager.cc`, `core/loader_harness.cc`. A version that a
request holds is freed only when the request has let go of it.
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
    """What the manager needs to know of a loaded version."""

    def close(self) -> None:
        """Free what the version holds."""


S = TypeVar("S", bound=Closable)


@dataclasses.dataclass(frozen=True)
class LoadRules:
    """How loads are tried; times in seconds."""

    retries: int = 5
    retry_seconds: float = 60.0
    threads: int = 0


@dataclasses.dataclass(eq=False)
class Held(Generic[S]):
    """One version under management; changed only with the manager's lock held."""

    name: str
    version: int
    path: str
    wanted: bool = True
    state: State = State.START
    servable: S | None = None
    users: int = 0
    unwanted: threading.Event = dataclasses.field(default_factory=threading.Event)

    def __str__(self) -> str:
        return f"{{name: {self.name} version: {self.version}}}"

    def loaded(self) -> S:
        """Return what was loaded; only for one who holds the version."""
        if self.servable is None:
            raise ServingError(Code.UNAVAILABLE, f"{self} is not loaded")
        return self.servable


class Manager(Generic[S]):
    """Brings the versions that are wanted into service and takes the others out, one action per model at a time."""

    def __init__(self, load: Callable[[str, str], S], monitor: StateMonitor, rules: LoadRules) -> None:
        self._load_servable = load
        self._monitor = monitor
        self._rules = rules
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._held: dict[str, dict[int, Held[S]]] = {}
        self._serving: dict[str, dict[int, Held[S]]] = {}
        self._pending: dict[str, dict[int, str]] = {}
        self._news = False
        self._stopped = threading.Event()
        self._loaders = ThreadPoolExecutor(4 * (os.cpu_count() or 1), "first-load")
        self._thread = threading.Thread(target=self._run, name="manager", daemon=True)

    def start(self) -> None:
        """Begin to decide."""
        self._thread.start()

    def stop(self) -> None:
        """Decide no more; what is loaded stays usable."""
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()

    def end_first_load(self) -> None:
        """Go over from the many threads of the start to `num_load_threads`."""
        with self._changed:
            first, self._loaders = self._loaders, ThreadPoolExecutor(max(1, self._rules.threads), "load")
        first.shutdown(wait=False)

    def aspire(self, name: str, versions: dict[int, str]) -> None:
        """Take note that exactly these versions (number to path) of a model are wanted."""
        with self._changed:
            self._pending[name] = versions
            self._tell()

    def acquire(self, name: str, version: int | None) -> Held[S]:
        """Hold a serving version, the highest if none is named; the caller must release it."""
        with self._lock:
            serving = self._serving.get(name)
            held = serving.get(max(serving) if version is None else version) if serving else None
            if held is None:
                which = f"Latest({name})" if version is None else f"Specific({name}, {version})"
                raise not_found(f"Servable not found for request: {which}")
            held.users += 1
            return held

    def release(self, held: Held[S]) -> None:
        """Let go of a version that acquire gave."""
        with self._lock:
            held.users -= 1
            if not held.users and held.state is State.UNLOADING:
                self._changed.notify_all()

    def _run(self) -> None:
        with self._changed:
            while not self._stopped.is_set():
                self._news = False
                for name in list(self._held):
                    self._forget(name)
                self._take_pending()
                for name in list(self._held):
                    self._act(name)
                self._changed.wait_for(lambda: self._news or self._stopped.is_set())

    def _tell(self) -> None:
        self._news = True
        self._changed.notify_all()

    def _comes_back(self, name: str) -> bool:
        """Tell whether a pending version is still on its way out: then the whole wish waits."""
        held = self._held.get(name, {})
        again = [held[version] for version in self._pending[name] if version in held]
        return any(not entry.wanted and entry.state is not State.AVAILABLE for entry in again)

    def _take_pending(self) -> None:
        for name in [name for name in self._pending if not self._comes_back(name)]:
            versions = self._pending.pop(name)
            held = self._held.setdefault(name, {})
            for version in held.keys() - versions.keys():
                held[version].wanted = False
                held[version].unwanted.set()
            for version in held.keys() & versions.keys():
                held[version].wanted = True
                held[version].unwanted.clear()
            for version in sorted(versions.keys() - held.keys()):
                held[version] = Held(name, version, versions[version])
                self._publish(held[version], State.START)
            self._forget(name)

    def _forget(self, name: str) -> None:
        """Drop versions that are neither wanted nor alive, so that they may come back later."""
        held = self._held[name]
        for entry in [entry for entry in held.values() if not entry.wanted]:
            if entry.state is State.START:
                self._publish(entry, State.END)
            if entry.state is State.END:
                del held[entry.version]
        if not held:
            del self._held[name]

    def _next(self, name: str) -> tuple[bool, Held[S]] | None:
        held = self._held[name]
        if any(entry.state is State.UNLOADING for entry in held.values()):
            return None
        action = next_action(Snapshot(e.version, e.state, e.wanted) for e in held.values())
        return None if action is None else (action.load, held[action.version])

    def _act(self, name: str) -> None:
        while (action := self._next(name)) is not None:
            load, held = action
            if load:
                self._publish(held, State.LOADING)
                self._loaders.submit(self._load, held)
            else:
                self._take_out_of_service(held)
                threading.Thread(target=self._unload, args=(held,), name=f"unload {held}", daemon=True).start()

    def _take_out_of_service(self, held: Held[S]) -> None:
        serving = self._serving[held.name]
        del serving[held.version]
        if not serving:
            del self._serving[held.name]
        self._publish(held, State.UNLOADING)

    def _load(self, held: Held[S]) -> None:
        LOG.info("Loading servable version %s", held)
        try:
            servable = self._load_with_retries(held)
        except Exception as raised:  # noqa: BLE001 - whatever a load does, the version must reach its end
            error = raised if isinstance(raised, ServingError) else ServingError(Code.UNKNOWN, repr(raised))
            LOG.error("Loading servable: %s failed: %s", held, error)
            with self._changed:
                self._publish(held, State.END, error)
                self._tell()
            return
        with self._changed:
            held.servable = servable
            self._serving.setdefault(held.name, {})[held.version] = held
            self._publish(held, State.AVAILABLE)
            self._tell()
        LOG.info("Successfully loaded servable version %s", held)

    def _load_with_retries(self, held: Held[S]) -> S:
        for left in range(self._rules.retries, 0, -1):
            try:
                return self._load_servable(held.name, held.path)
            except ServingError as error:  # noqa: PERF203 - that is what is repeated
                LOG.warning("Loading servable version %s failed, %d retries left: %s", held, left, error)
                held.unwanted.wait(max(0.0, self._rules.retry_seconds))
                if self._gives_up(held):
                    raise
        return self._load_servable(held.name, held.path)

    def _gives_up(self, held: Held[S]) -> bool:
        return held.unwanted.is_set() or self._stopped.is_set()

    def _unload(self, held: Held[S]) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not held.users)
            servable, held.servable = held.servable, None
        if servable is not None:
            servable.close()
        LOG.info("Done unloading servable version %s", held)
        with self._changed:
            self._publish(held, State.END)
            self._tell()

    def _publish(self, held: Held[S], state: State, error: ServingError | None = None) -> None:
        held.state = state
        self._monitor.publish(held.name, VersionState(held.version, state, error))

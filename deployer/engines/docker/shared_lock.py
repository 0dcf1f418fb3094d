"""A lock that commands on several machines share: an object of an engine with a unique name.

The command that creates the object holds the lock, and removes it at the end. Labels name the owner. The holder
increases a number on the object while it lives. A command that waits watches that number with its own monotonic clock,
and takes over the lock of a holder that has stopped; the time of day does not matter.
"""

from __future__ import annotations

import contextlib
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from deployer.engines.docker.names import LABEL
from deployer.errors import EngineError, LockHeld
from deployer.system.owners import Owner, current_owner
from deployer.system.wait import Deadline

LOCK = f"{LABEL}lock."
HEARTBEAT_SECONDS = 5.0
EXPIRY_SECONDS = 20.0
POLL_SECONDS = 0.1
RELEASE_SECONDS = 5.0
"""The time that an object which is being removed may still occupy its name."""


@dataclass(frozen=True)
class LockInfo:
    """A lock as the engine shows it. `id` is the holder's object, so removing it leaves a later lock alone."""

    id: str
    owner: Owner | None
    heartbeats: int

    @property
    def owner_text(self) -> str:
        """The owner in words."""
        return str(self.owner or "another command")


class ExpiryTracker:
    """Tells whether a lock's holder is alive, by this process's monotonic clock."""

    def __init__(self) -> None:
        self._seen: tuple[str, int] | None = None
        self._since = 0.0

    def expired(self, held: LockInfo) -> bool:
        """Return whether the holder has ended: at once for a process of this machine, else after EXPIRY_SECONDS."""
        if held.owner is not None and held.owner.is_local:
            return held.owner.has_ended
        if self._seen != (held.id, held.heartbeats):
            self._seen, self._since = (held.id, held.heartbeats), time.monotonic()
        return time.monotonic() - self._since >= EXPIRY_SECONDS


@dataclass(frozen=True)
class LockTarget:
    """The deployment that a lock is for."""

    project: str
    name: str
    env: str

    def labels(self) -> dict[str, str]:
        """Return the labels of a lock that this command holds."""
        return {
            f"{LOCK}project": self.project,
            f"{LOCK}name": self.name,
            f"{LOCK}env": self.env,
            f"{LOCK}owner": current_owner().to_json(),
        }


class SharedLock(ABC):
    """The lock of one deployment on an engine."""

    @property
    @abstractmethod
    def target(self) -> LockTarget:
        """The deployment."""

    @abstractmethod
    def inspect(self) -> LockInfo | None:
        """Return the current lock, or None. Raise EngineError for an object that is not a lock."""

    @abstractmethod
    def remove(self, lock_id: str) -> None:
        """Remove the lock of one holder and no other; no error if it is gone or being removed."""

    @abstractmethod
    def create(self) -> str | None:
        """Return the id of the new object, or None if the name exists."""

    @abstractmethod
    def beat(self, lock_id: str, heartbeats: int) -> None:
        """Put the number of heartbeats on the holder's object."""

    @contextmanager
    def hold(self, wait_seconds: float) -> Iterator[LockHandle]:
        """Hold the lock. Raise LockHeld after `wait_seconds`."""
        lock_id = self._acquire(Deadline.after(wait_seconds))
        released = threading.Event()
        try:
            threading.Thread(target=self._heartbeat, args=(lock_id, released), daemon=True).start()
            yield LockHandle(self, lock_id)
        finally:
            released.set()
            with contextlib.suppress(EngineError):  # engine unreachable: for the next command the lock expires
                self.remove(lock_id)

    def break_lock(self) -> None:
        """Release the lock, and end its holder if that is a process of this machine."""
        held = self.inspect()
        if held is None:
            return
        if held.owner is not None:
            held.owner.terminate()
        self.remove(held.id)

    def _acquire(self, deadline: Deadline) -> str:
        expiry, releasing = ExpiryTracker(), Deadline.after(RELEASE_SECONDS)
        while (lock_id := self.create()) is None:
            held = self.inspect()
            if held and expiry.expired(held):
                self.remove(held.id)
            elif deadline.passed and (held or releasing.passed):
                raise self._refusal(held)
            else:
                time.sleep(POLL_SECONDS)
        return lock_id

    def _refusal(self, held: LockInfo | None) -> LockHeld:
        owner_text = held.owner_text if held else "another command"
        return LockHeld(
            f"deployment {self.target.name} [{self.target.env}] is being worked on by {owner_text}",
            hint="wait for it with --lock-wait SECONDS: the lock of a command that died elsewhere is free after "
            f"{EXPIRY_SECONDS:g} s",
        )

    def _heartbeat(self, lock_id: str, released: threading.Event) -> None:
        heartbeats = 0
        while not released.wait(HEARTBEAT_SECONDS):
            heartbeats += 1
            with contextlib.suppress(EngineError):
                self.beat(lock_id, heartbeats)


@dataclass(frozen=True)
class LockHandle:
    """A held lock, which can be lost: to another command after a long suspension, or to `deployer unlock --force`."""

    lock: SharedLock
    id: str

    def check(self) -> None:
        """Raise LockHeld if the lock is lost."""
        held = self.lock.inspect()
        if held is None or held.id != self.id:
            holder = f"; it is held by {held.owner_text}" if held else ""
            target = self.lock.target
            raise LockHeld(f"the lock on {target.name} [{target.env}] was lost{holder}", hint="run it again")

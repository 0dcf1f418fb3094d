"""The one loop that waits: it asks often, knows a deadline, and stops at once when waiting is in vain."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from deployer.errors import NotReady

POLL_SECONDS = 0.02
Item = TypeVar("Item")


class Readiness(Enum):
    """Three values, because *not yet* and *never* end differently."""

    NOT_READY = "not ready"
    READY = "ready"
    FAILED = "never will be ready"


@dataclass(frozen=True)
class Observation:
    """What one look found, and why."""

    readiness: Readiness
    reason: str = ""


@dataclass(frozen=True)
class Deadline:
    """A moment, so that several waits can share one allowance."""

    moment: float
    seconds: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """`seconds` from now."""
        return cls(time.monotonic() + seconds, seconds)

    @property
    def passed(self) -> bool:
        """Whether it is over."""
        return time.monotonic() >= self.moment

    @property
    def remaining(self) -> float:
        """Seconds left, never below 0."""
        return max(0.0, self.moment - time.monotonic())


def wait_until_ready(look: Callable[[], Observation], deadline: Deadline, what: str) -> None:
    """Look until READY. Raises NotReady at the deadline, or at once when it never will be."""
    while (seen := look()).readiness is not Readiness.READY:
        if seen.readiness is Readiness.FAILED:
            raise NotReady(f"{what} will not become ready: {seen.reason}")
        if deadline.passed:
            raise NotReady(
                f"{what} was not ready within {deadline.seconds:g} s: {seen.reason}",
                hint="allow more time with --timeout SECONDS, or look at the log",
            )
        time.sleep(POLL_SECONDS)


def wait_until(condition: Callable[[], bool], deadline: Deadline) -> bool:
    """Whether the condition came true before the deadline."""
    while not condition():
        if deadline.passed:
            return False
        time.sleep(POLL_SECONDS)
    return True


def items_until(deadline: Deadline, start: Callable[[], Iterable[Item]]) -> Iterator[Item]:
    """The items of `start()` as another thread gets them. Raises TimeoutError at the deadline, be it while none comes.

    What `start` or an item raises is raised here. That thread ends with the next item after the deadline, or after
    the reader has gone.
    """
    over = threading.Event()
    got: queue.SimpleQueue[tuple[Item] | Exception | None] = queue.SimpleQueue()

    def get() -> None:
        try:
            for item in start():
                if over.is_set():
                    return
                got.put((item,))
            got.put(None)
        except Exception as error:  # noqa: BLE001 - raised where the items are read
            got.put(error)

    threading.Thread(target=get, daemon=True).start()
    try:
        while (found := _next(got, deadline)) is not None:
            if isinstance(found, Exception):
                raise found
            yield found[0]
    finally:
        over.set()


def _next(got: queue.SimpleQueue[Item], deadline: Deadline) -> Item:
    try:
        if not deadline.passed:
            return got.get(timeout=deadline.remaining)
    except queue.Empty:
        pass
    raise TimeoutError(f"not within {deadline.seconds:g} s")

"""Waiting with deadlines: poll often, and stop at once when the condition can never become true."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from deployer.errors import NotReady

POLL_SECONDS = 0.02
Item = TypeVar("Item")


class Readiness(Enum):
    """Whether a server is ready. FAILED ends a wait at once: it will never be ready."""

    NOT_READY = "not ready"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True)
class Observation:
    """The readiness at one moment, with the reason."""

    readiness: Readiness
    reason: str = ""


@dataclass(frozen=True)
class Deadline:
    """A moment that several waits can share."""

    moment: float
    seconds: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Return the deadline `seconds` from now."""
        return cls(time.monotonic() + seconds, seconds)

    @property
    def passed(self) -> bool:
        """Whether the moment has passed."""
        return time.monotonic() >= self.moment

    @property
    def remaining(self) -> float:
        """Seconds left, never below 0."""
        return max(0.0, self.moment - time.monotonic())


def wait_until_ready(observe: Callable[[], Observation], deadline: Deadline, what: str) -> None:
    """Observe until READY. Raises NotReady at the deadline, or at once for FAILED."""
    while (observed := observe()).readiness is not Readiness.READY:
        if observed.readiness is Readiness.FAILED:
            raise NotReady(f"{what} will not become ready: {observed.reason}")
        if deadline.passed:
            raise NotReady(
                f"{what} was not ready within {deadline.seconds:g} s: {observed.reason}",
                hint="allow more time with --timeout SECONDS, or look at the log",
            )
        time.sleep(POLL_SECONDS)


def wait_until(condition: Callable[[], bool], deadline: Deadline, poll_seconds: float = POLL_SECONDS) -> bool:
    """Wait for a condition; return whether it became true before the deadline."""
    while not condition():
        if deadline.passed:
            return False
        time.sleep(poll_seconds)
    return True


def items_until(deadline: Deadline, start: Callable[[], Iterable[Item]]) -> Iterator[Item]:
    """Yield the items of `start()`, which another thread reads. Raises TimeoutError at the deadline.

    What `start` or an item raises is raised here. The thread ends with the first item after the deadline, or after the
    reader has gone.
    """
    with _read_by_thread(start) as items:
        while (item := _next(items, deadline)) is not None:
            if isinstance(item, Exception):
                raise item
            yield item[0]


def items_while(goes_on: Callable[[], bool], seconds: float, start: Callable[[], Iterable[Item]]) -> Iterator[Item]:
    """Yield the items of `start()`, as `items_until` does, until it ends or `goes_on` returns False.

    It is asked whenever no item has come for `seconds`, and items that come as long after it has said no are yielded.
    """
    is_last = False
    with _read_by_thread(start) as items:
        while True:
            try:
                item = items.get(timeout=seconds)
            except queue.Empty:
                if is_last:
                    return
                is_last = not goes_on()
                continue
            if item is None:
                return
            if isinstance(item, Exception):
                raise item
            yield item[0]


@contextmanager
def _read_by_thread(
    start: Callable[[], Iterable[Item]],
) -> Iterator[queue.SimpleQueue[tuple[Item] | Exception | None]]:
    """Give a queue with the items of `start()`, then None, or with what it raises."""
    stopped = threading.Event()
    items: queue.SimpleQueue[tuple[Item] | Exception | None] = queue.SimpleQueue()

    def read() -> None:
        try:
            for item in start():
                if stopped.is_set():
                    return
                items.put((item,))
            items.put(None)
        except Exception as error:  # noqa: BLE001 - raised where the items are read
            items.put(error)

    threading.Thread(target=read, daemon=True).start()
    try:
        yield items
    finally:
        stopped.set()


def _next(items: queue.SimpleQueue[Item], deadline: Deadline) -> Item:
    try:
        if not deadline.passed:
            return items.get(timeout=deadline.remaining)
    except queue.Empty:
        pass
    raise TimeoutError(f"not within {deadline.seconds:g} s")

"""How long a signature's calls take, which decides on which thread the next one runs.

Short calls are answered on the event loop itself; unknown ones run op by op on a thread of their own; those known to
be long get TensorFlow's thread pool. A graph that may loop without end gets that pool always: only there can a
time-out stop it.

A call that runs on the caller's thread alone is measured in that thread's processor time: what other threads and other
programs took meanwhile says nothing about the signature, and on a busy machine would keep a short one off the loop.
To ask for processor time is a system call. While calls are short by the clock on the wall they are shorter still by
that one; only where one was not, it is asked for again, for some calls.
"""

from __future__ import annotations

import collections
import threading
import time
from collections.abc import Callable

_WINDOW = 16
_ENOUGH_TO_TELL = 4
_QUICK_SECONDS = 0.001
_LONG_SECONDS = 0.003
_FAR_TOO_LONG_SECONDS = 0.05


class Timed:
    """Takes the time of a `with` block that ends well. A class, because every request passes here."""

    __slots__ = ("_cpu", "_pace", "_wall")

    def __init__(self, pace: LatencyTracker) -> None:
        self._pace = pace

    def __enter__(self) -> None:
        self._cpu = time.thread_time() if self._pace.measures_work else None
        self._wall = time.perf_counter()

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            wall = time.perf_counter() - self._wall
            if self._cpu is None:
                self._pace.record_wall(wall)
            else:
                self._pace.note(time.thread_time() - self._cpu, wall)


def _always() -> bool:
    return True


class LatencyTracker:
    """The last durations of one signature: `quick` may run on the event loop, `alone` on the caller's thread.

    `may` is asked each time whether something else speaks against the event loop.
    """

    def __init__(self, ends: bool, may: Callable[[], bool] = _always) -> None:
        self._ends = ends
        self._may = may
        self._last: collections.deque[float] = collections.deque(maxlen=_WINDOW)
        self._waits: collections.deque[float] = collections.deque(maxlen=_WINDOW)
        self._quick = False
        self._doubts = 0
        self._noting = threading.Lock()
        self.alone = ends

    @property
    def quick(self) -> bool:
        """Whether a call may keep the event loop waiting."""
        return self._quick and self._may()

    @property
    def measures_work(self) -> bool:
        """Whether the processor time of the next call shall be taken."""
        return self.alone and (self._doubts > 0 or not self._quick)

    def timed(self) -> Timed:
        """Measure one call; one that worked for long makes the signature prove itself again."""
        return Timed(self)

    def record_wall(self, wall: float) -> None:
        """Take a call into account of which only the clock on the wall was read."""
        if not self.alone:
            self.note(wall, wall)
        elif wall >= _QUICK_SECONDS:
            self._doubts = _WINDOW

    def note(self, seconds: float, wall: float = 0.0) -> None:
        """Take a call into account: how long it worked, and how long it took by the clock on the wall."""
        with self._noting:  # every thread that answers comes here
            self._note(seconds, wall)

    def _note(self, seconds: float, wall: float) -> None:
        self._doubts = max(0, self._doubts - 1)
        if seconds > _FAR_TOO_LONG_SECONDS:
            self._last.clear()
        self._last.append(seconds)
        self._waits.append(wall)
        if self._quick and seconds < _QUICK_SECONDS and wall < _FAR_TOO_LONG_SECONDS:
            return
        usual = _median(self._last)
        self._quick = self._ends and len(self._last) == _WINDOW and usual < _QUICK_SECONDS and not self._blocks()
        self.alone = self._ends and (len(self._last) < _ENOUGH_TO_TELL or usual < _LONG_SECONDS)

    def _blocks(self) -> bool:
        """Whether calls wait for something that is no work of theirs, a slow disk say."""
        return _median(self._waits) > _FAR_TOO_LONG_SECONDS


def _median(values: collections.deque[float]) -> float:
    return sorted(values)[len(values) // 2]

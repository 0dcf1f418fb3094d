"""How long a signature's calls take, which decides on which thread the next one runs.

Short calls are answered on the event loop itself; unknown ones run op by op on a thread of their own; those known to
be long get TensorFlow's thread pool. A graph that may loop without end gets that pool always: only there can a
time-out stop it.
"""

from __future__ import annotations

import collections
import time

_WINDOW = 16
_ENOUGH_TO_TELL = 4
_QUICK_SECONDS = 0.001
_LONG_SECONDS = 0.003
_FAR_TOO_LONG_SECONDS = 0.05


class Timed:
    """Takes the time of a `with` block that ends well. A class, because every request passes here."""

    __slots__ = ("_pace", "_start")

    def __init__(self, pace: Pace) -> None:
        self._pace = pace

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._pace.note(time.perf_counter() - self._start)


class Pace:
    """The last durations of one signature: `quick` may run on the event loop, `alone` on the caller's thread."""

    def __init__(self, ends: bool) -> None:
        self._ends = ends
        self._last: collections.deque[float] = collections.deque(maxlen=_WINDOW)
        self.quick = False
        self.alone = ends

    def timed(self) -> Timed:
        """Measure one call; one that blocked for long makes the signature prove itself again."""
        return Timed(self)

    def note(self, seconds: float) -> None:
        """Take a duration into account."""
        if seconds > _FAR_TOO_LONG_SECONDS:
            self._last.clear()
        self._last.append(seconds)
        if self.quick and seconds < _QUICK_SECONDS:
            return
        usual = sorted(self._last)[len(self._last) // 2]
        self.quick = self._ends and len(self._last) == _WINDOW and usual < _QUICK_SECONDS
        self.alone = self._ends and (len(self._last) < _ENOUGH_TO_TELL or usual < _LONG_SECONDS)

"""How long a signature's calls take: short ones are answered on the event loop, others in a thread."""

from __future__ import annotations

import collections
import time
from collections.abc import Iterator
from contextlib import contextmanager

_WINDOW = 16
_QUICK_SECONDS = 0.001
_FAR_TOO_LONG_SECONDS = 0.05


class Pace:
    """The last durations of one signature; starts out as slow."""

    def __init__(self) -> None:
        self._last: collections.deque[float] = collections.deque(maxlen=_WINDOW)
        self.quick = False

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Measure one call; one that blocked for long makes the signature slow until it has proved itself again."""
        start = time.perf_counter()
        yield
        seconds = time.perf_counter() - start
        if seconds > _FAR_TOO_LONG_SECONDS:
            self._last.clear()
        self._last.append(seconds)
        self.quick = len(self._last) == _WINDOW and sorted(self._last)[_WINDOW // 2] < _QUICK_SECONDS

"""Track the latency of a signature's calls, which selects the thread for the next one.

Short calls run on the event loop; unknown ones run op by op on a worker thread; long ones use TensorFlow's thread pool.
A graph that may loop forever always uses the pool, because only there a time-out can stop it.

Calls that run on the caller's thread are measured in CPU time: the wall time would include other threads and programs,
and on a busy machine would keep a short signature off the event loop. Reading CPU time is a system call, so it is read
only while the signature is unknown, or for some calls after one whose wall time was long.
"""

from __future__ import annotations

import collections
import threading
import time
from collections.abc import Callable

_WINDOW = 16
_MIN_SAMPLES = 4
_QUICK_SECONDS = 0.001
_LONG_SECONDS = 0.003
_BLOCKING_SECONDS = 0.05


class Timer:
    """A timer for a `with` block that ends without an exception."""

    __slots__ = ("_cpu", "_tracker", "_wall")

    def __init__(self, tracker: LatencyTracker) -> None:
        self._tracker = tracker

    def __enter__(self) -> None:
        self._cpu = time.thread_time() if self._tracker.needs_cpu_time else None
        self._wall = time.perf_counter()

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            wall = time.perf_counter() - self._wall
            if self._cpu is None:
                self._tracker.record_wall(wall)
            else:
                self._tracker.record(time.thread_time() - self._cpu, wall)


def _always() -> bool:
    return True


class LatencyTracker:
    """The latest durations of one signature: `quick` calls may run on the event loop.

    `on_caller_thread` calls run on the caller's thread. `may_run_inline` is called each time and can veto the event
    loop.
    """

    def __init__(self, terminates: bool, may_run_inline: Callable[[], bool] = _always) -> None:
        self._terminates = terminates
        self._may_run_inline = may_run_inline
        self._durations: collections.deque[float] = collections.deque(maxlen=_WINDOW)
        self._wall_times: collections.deque[float] = collections.deque(maxlen=_WINDOW)
        self._quick = False
        self._cpu_samples_left = 0
        self._lock = threading.Lock()
        self.on_caller_thread = terminates

    @property
    def quick(self) -> bool:
        """Whether a call may block the event loop."""
        return self._quick and self._may_run_inline()

    @property
    def needs_cpu_time(self) -> bool:
        """Whether to measure the CPU time of the next call."""
        return self.on_caller_thread and (self._cpu_samples_left > 0 or not self._quick)

    def timer(self) -> Timer:
        """Return a timer for one call."""
        return Timer(self)

    def record_wall(self, wall: float) -> None:
        """Record a call of which only the wall time was measured."""
        if not self.on_caller_thread:
            self.record(wall, wall)
        elif wall >= _QUICK_SECONDS:
            self._cpu_samples_left = _WINDOW

    def record(self, seconds: float, wall: float = 0.0) -> None:
        """Record a call: CPU time and wall time, in seconds."""
        with self._lock:  # called by every thread that runs requests
            self._record(seconds, wall)

    def _record(self, seconds: float, wall: float) -> None:
        self._cpu_samples_left = max(0, self._cpu_samples_left - 1)
        if seconds > _BLOCKING_SECONDS:
            self._durations.clear()
        self._durations.append(seconds)
        self._wall_times.append(wall)
        if self._quick and seconds < _QUICK_SECONDS and wall < _BLOCKING_SECONDS:
            return
        median = _median(self._durations)
        self._quick = (
            self._terminates and len(self._durations) == _WINDOW and median < _QUICK_SECONDS and not self._blocks()
        )
        self.on_caller_thread = self._terminates and (len(self._durations) < _MIN_SAMPLES or median < _LONG_SECONDS)

    def _blocks(self) -> bool:
        """Return whether calls wait for something other than CPU time, such as a slow disk."""
        return _median(self._wall_times) > _BLOCKING_SECONDS


def _median(values: collections.deque[float]) -> float:
    return sorted(values)[len(values) // 2]

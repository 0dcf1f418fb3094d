"""A timer of the kernel for an event loop: those of event loops round to milliseconds."""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Callable
from contextlib import suppress

CLOCK_MONOTONIC = 1
"""The clock of `time.perf_counter`."""
ABSOLUTE = 1
NANOSECONDS = 1_000_000_000


class _TimeSpec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _TimerSpec(ctypes.Structure):
    _fields_ = (("interval", _TimeSpec), ("value", _TimeSpec))


class Timer:
    """Calls a function once after each `set`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._libc.timerfd_create(CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._loop, self._function = loop, function
        self._spec = _TimerSpec()
        self._pointer = ctypes.byref(self._spec)
        loop.add_reader(self._descriptor, self._expired)

    def set(self, time: float) -> None:
        """Call the function at a time of `time.perf_counter`, at once if it has passed. A later call moves it."""
        seconds, nanoseconds = divmod(max(1, int(time * NANOSECONDS)), NANOSECONDS)
        self._spec.value.seconds, self._spec.value.nanoseconds = seconds, nanoseconds
        self._libc.timerfd_settime(self._descriptor, ABSOLUTE, self._pointer, None)

    def close(self) -> None:
        """Never call the function again."""
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)

    def _expired(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._descriptor, 8)
            self._function()

"""Denormal numbers on the calling thread: TensorFlow's own threads take and give zero for them.

A run that stays on the thread of its caller must do the same, or its answer depends on the thread. Reading and writing
numbers as text must not. Python has no name for the switch: it is called in TensorFlow's library.
Source: `tsl/platform/denormal.h`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path

from deployer.server.log import LOG
from deployer.server.runtime import FOLDER

_LIBRARY = "libtensorflow_framework.so.2"
_SET = "_ZN3tsl4port16SetDenormalStateERKNS0_13DenormalStateE"
_STATES = ctypes.create_string_buffer(b"\1\1\0\0", 4)
_FLUSHED = ctypes.addressof(_STATES)
_KEPT = _FLUSHED + 2


def _setter() -> Callable[[int], object]:
    """The switch, called with the GIL held: that is quicker than letting go of it. Without it nothing happens."""
    try:
        switch = getattr(ctypes.PyDLL(str(Path(FOLDER) / _LIBRARY)), _SET)
    except (OSError, AttributeError):
        LOG.warning("This TensorFlow has no switch for denormal numbers: they are kept on some threads")
        return lambda _: None
    switch.restype = None
    switch.argtypes = (ctypes.c_void_p,)
    return switch  # type: ignore[no-any-return]


_set = _setter()


def flush() -> None:
    """Take denormal numbers for zero on this thread."""
    _set(_FLUSHED)


def keep() -> None:
    """Take them for what they are again."""
    _set(_KEPT)

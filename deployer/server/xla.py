"""XLA switched off for the process, as TensorFlow Serving does unless a flag asks for it.

A model that was exported with `jit_compile=True` then fails at its first request, here as in production. Python has no
name for the switch: it is called in the library that TensorFlow's own modules have loaded.
Source: `model_servers/main.cc`.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

from deployer.server.log import LOG
from deployer.server.runtime import FOLDER

_LIBRARY = "libtensorflow_cc.so.2"
_SWITCH = "_ZN10tensorflow21DisableXlaCompilationEv"


def switch_off() -> None:
    """Let no session compile with XLA from now on; a TensorFlow without the switch stays as it is, which is said."""
    try:
        switch = getattr(ctypes.CDLL(str(Path(FOLDER) / _LIBRARY)), _SWITCH)
    except (OSError, AttributeError):
        LOG.warning("XLA stays on: this TensorFlow has no switch for it")
        return
    switch.restype = None
    switch()

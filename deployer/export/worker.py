"""The child process that loads and runs models: it executes calls of its parent until the connection ends.

Nothing that ends this process, native code, bytecode or `os._exit`, ends the tool. `child` starts it.
"""

from __future__ import annotations

import ctypes
import dataclasses
import faulthandler
import gc
import io
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

from deployer import export
from deployer.errors import DeployerError
from deployer.export import phase
from deployer.export.golden import distance
from deployer.export.worker_calls import Call
from deployer.results.differences import Numbers
from deployer.results.model import GoldenSummary, Model
from deployer.results.progress import Event, Note

PR_SET_PDEATHSIG = 1
COLLECT_AFTER = 100_000
"""Importing TensorFlow creates many objects and no garbage, so collections would only cost time."""


def main(descriptors: tuple[int, int], parent: int) -> None:
    """Execute the calls that arrive on the first descriptor; the frames of a crash are written to the second."""
    _end_with(parent)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    gc.set_threshold(COLLECT_AFTER)
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    faulthandler.enable(descriptors[1], all_threads=False)
    connection = Connection(descriptors[0])
    phase.listen(lambda name: _send(connection, {"phase": name}))
    with suppress(EOFError, ConnectionError, KeyboardInterrupt):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # the parent blocked it at the start
        while True:
            _answer(connection, connection.recv())


def _end_with(parent: int) -> None:
    """Let the kernel kill this process when its parent ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


def _answer(connection: Connection, call: Call) -> None:
    call.process_context.apply()
    try:
        result = CALLS[call.name](connection, *call.arguments)
    except DeployerError as error:
        found = {"kind": type(error).__name__, "message": error.message, "hint": error.hint, "log": error.log}
        _send(connection, {"error": found})
    except OSError as error:
        _send(connection, {"system": [error.errno, error.strerror, _text(error.filename)], "bug": _traceback()})
    except Exception:  # noqa: BLE001 - reported by the parent as it reports its own
        _send(connection, {"bug": _traceback()})
    else:
        _send(connection, {"result": dataclasses.asdict(result)})


def _text(filename: object) -> str | None:
    return None if filename is None else os.fsdecode(filename) if isinstance(filename, (str, bytes)) else str(filename)


def _traceback() -> str:
    return traceback.format_exc()


def _send(connection: Connection, message: Mapping[str, object]) -> None:
    """Send a message after flushing the output, so that both arrive in order."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    connection.send_bytes(json.dumps(message).encode())


def _report(connection: Connection, event: Event) -> None:
    _send(connection, {"note" if isinstance(event, Note) else "progress": dataclasses.asdict(event)})


def _save(connection: Connection, request: export.ExportRequest, target: Path) -> export.Saved:
    phase.enter(phase.LOADING)
    return export.save(request, target, partial(_report, connection))


def _record_golden(connection: Connection, target: Path, request: export.ExportRequest) -> GoldenSummary:
    phase.enter(phase.ASKING)
    return export.record_golden(target, request, partial(_report, connection))


def _measure(_connection: Connection, before: Model, after: Model) -> Numbers:
    phase.enter(phase.MEASURING)
    return distance.measure(before, after)


Result = export.Saved | GoldenSummary | Numbers
CALLS: Mapping[str, Callable[..., Result]] = {"save": _save, "record_golden": _record_golden, "measure": _measure}

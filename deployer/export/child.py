"""Models are loaded and asked in a child process: what ends it is an error of the model, and never the tool's end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from multiprocessing.connection import Pipe
from pathlib import Path
from typing import Any, Protocol, cast

from deployer import errors
from deployer.errors import DeployerError, ModelError
from deployer.export import crashes
from deployer.export.base import ExportRequest, Progress, Saved
from deployer.export.child_output import ChildOutput
from deployer.export.keras import file as keras_file
from deployer.export.worker_calls import Call, Surroundings
from deployer.results.differences import Numbers, OutputDistance
from deployer.results.model import GoldenSummary, Model
from deployer.system.wait import Deadline

SECONDS_BETWEEN_LOOKS = 0.1
"""How long it may take to notice that the process has ended, where what it started keeps its descriptors open."""
SECONDS_TO_END = 3.0
SECONDS_TO_UNDO = 2.0
LARGEST_MESSAGE = 64 << 20
START = """
import atexit, os, sys
atexit.register(os._exit, 0)
sys.path[:] = {path!r}
from deployer.export.worker import main
main({arguments})
"""
"""The function that is registered first is called last: after those of user code, before Python frees each object."""
KERASES = ("keras", "tf_keras")


class Bug(Exception):
    """The child met an error that has no name: its traceback."""


class Exporting(Protocol):
    """Where a source is saved and proven."""

    def save(self, request: ExportRequest, target: Path, progress: Progress) -> Saved:
        """As `deployer.export.save`."""
        ...

    def prove(self, target: Path, request: ExportRequest, progress: Progress) -> GoldenSummary:
        """As `deployer.export.prove`."""
        ...


@contextmanager
def exporting(request: ExportRequest) -> Iterator[Exporting]:
    """What saves and proves a source: a child process, or this one where it alone has what the source names."""
    if _is_in_this_process(request):
        from deployer import export

        yield export
        return
    with _child() as child:
        yield child


def _is_in_this_process(request: ExportRequest) -> bool:
    """Whether only the calling process has what the request names: a module that it has imported already, as a notebook
    has, or a class that it registered with Keras."""
    return any(place in sys.modules for place in _modules(request)) or (
        keras_file.matches(request.source) and _has_registered()
    )


def _modules(request: ExportRequest) -> list[str]:
    """What stands for a module in the source and in the options, if it is one."""
    named = [request.source, *(text.partition("=")[2] for text in request.signatures), request.custom_objects or ""]
    return [text.rpartition(":")[0] for text in named]


def _has_registered() -> bool:
    kerases = [sys.modules[name] for name in KERASES if name in sys.modules]
    return any(keras.utils.get_custom_objects() for keras in kerases)


def measure(before: Model, after: Model) -> Numbers:
    """As `deployer.export.golden.distance.measure`, in a child process."""
    with _child() as child:
        return child.measure(before, after)


@contextmanager
def kept() -> Iterator[None]:
    """One child process for all calls while the context lasts: TensorFlow is imported once."""
    if _kept.get() is not None:
        yield
        return
    holder: list[Child] = []
    token = _kept.set(holder)
    try:
        yield
    finally:
        _kept.reset(token)
        for child in holder:
            child.end()


_kept: ContextVar[list[Child] | None] = ContextVar("kept", default=None)


@contextmanager
def _child() -> Iterator[Child]:
    holder = _kept.get()
    if holder is None:
        child = Child()
        try:
            yield child
        finally:
            child.end()
        return
    if not holder or not holder[0].alive:
        holder[:] = [Child()]
    yield holder[0]


class Child:
    """A running `worker`. Whatever it prints, on stdout or stderr, comes out on this process's stderr."""

    def __init__(self) -> None:
        self._connection, theirs = Pipe()
        self._output = ChildOutput()
        descriptors = (theirs.fileno(), self._output.crash_file.fileno())
        start = START.format(path=[*map(str, sys.path)], arguments=f"{descriptors}, {os.getpid()}")
        try:
            with _interrupts_blocked():
                self._process = subprocess.Popen(
                    [sys.executable, "-c", start],
                    stdout=self._output.write_end, stderr=self._output.write_end, pass_fds=descriptors,
                )  # fmt: skip
        except OSError as error:
            raise ModelError(f"the process that loads models cannot be started: {error}") from error
        finally:
            theirs.close()
            self._output.started()

    @property
    def alive(self) -> bool:
        """Whether it still takes calls."""
        return self._process.poll() is None

    def save(self, request: ExportRequest, target: Path, progress: Progress) -> Saved:
        """As `deployer.export.save`. Raises SourceCrashed when the process ends before that."""
        return Saved(**self._call("save", (request, target), request.source, progress))

    def prove(self, target: Path, request: ExportRequest, progress: Progress) -> GoldenSummary:
        """As `deployer.export.prove`. Raises SourceCrashed when the process ends before that."""
        return GoldenSummary(**self._call("prove", (target, request), request.source, progress))

    def measure(self, before: Model, after: Model) -> Numbers:
        """As `distance.measure`. Raises SourceCrashed when the process ends before that."""
        found = self._call("measure", (before, after), f"{after.name}:{after.version}", lambda _: None)
        return Numbers(**{**found, "distances": tuple(OutputDistance(**each) for each in found["distances"])})

    def _call(self, name: str, arguments: tuple[Any, ...], what: str, progress: Progress) -> dict[str, Any]:
        try:
            with suppress(ConnectionError):  # it has ended: the missing answer shows it
                self._connection.send(Call(name, arguments, Surroundings.of_this_process()))
            return self._answer(what, progress)
        except DeployerError:
            raise
        except BaseException:
            self._interrupt()
            raise

    def _answer(self, what: str, progress: Progress) -> dict[str, Any]:
        phase = "starting"
        while (message := self._next()) is not None:
            if "progress" in message:
                progress(message["progress"])
            elif "phase" in message:
                phase = message["phase"]
            elif "result" in message:
                return {name: _frozen(value) for name, value in message["result"].items()}
            else:
                raise _error(message)
        left = self.alive
        self._stop()
        code = None if left else self._process.returncode
        raise crashes.crashed(what, phase, code, self._output.tail())

    def _next(self) -> dict[str, Any] | None:
        """The next message; None when the process has ended, or can send none any more."""
        while True:
            ended = not self.alive
            self._output.wait(0 if ended else SECONDS_BETWEEN_LOOKS, self._connection)
            self._output.pass_on()
            try:
                if self._connection.poll():
                    message = dict(json.loads(self._connection.recv_bytes(LARGEST_MESSAGE)))
                    self._output.pass_on()
                    return message
            except (OSError, EOFError, ValueError):
                self._await_end(SECONDS_TO_END)
                return None
            if ended:
                return None

    def end(self) -> None:
        """Have it end by itself, or else end it."""
        self._connection.close()
        self._await_end(SECONDS_TO_END)
        self._stop()
        self._output.close()

    def _interrupt(self) -> None:
        """End it as Ctrl-C does: what it began is undone, if that takes no longer than a moment. What it prints
        until then is not shown."""
        self._output.mute()
        try:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(SECONDS_TO_UNDO)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self._process.kill()
            self._process.wait()

    def _await_end(self, seconds: float) -> None:
        deadline = Deadline.after(seconds)
        while self._output.open and self.alive and not deadline.passed:
            self._output.wait(SECONDS_BETWEEN_LOOKS)
            self._output.pass_on()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(deadline.remaining)

    def _stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self._output.pass_on()


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """A terminal sends Ctrl-C to the child, too. One that is started here gets it when it takes calls, not while Python
    starts."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _frozen(value: Any) -> Any:
    """JSON has lists, and our values tuples."""
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _error(message: Mapping[str, Any]) -> BaseException:
    """What the child could not do, as it would have been raised here."""
    if found := message.get("error"):
        kind = getattr(errors, found["kind"], ModelError)
        return cast("DeployerError", kind(found["message"], hint=found["hint"], log=tuple(found["log"])))
    bug = Bug(message["bug"])
    if (system := message.get("system")) and system[2] is not None:
        return OSError(*system)
    return bug

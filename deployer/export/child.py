"""Load and run models in a child process: a crash becomes an error of the model and does not end the tool."""

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

from deployer import errors, export
from deployer.errors import DeployerError, ModelError
from deployer.export import crashes
from deployer.export.base import ExportRequest, Saved
from deployer.export.child_output import ChildOutput
from deployer.export.keras import file as keras_file
from deployer.export.worker_calls import Call, ProcessContext
from deployer.results.differences import Numbers, OutputDistance
from deployer.results.model import GoldenSummary, Model
from deployer.results.progress import Note, Phase, Progress
from deployer.system.packages import require_tensorflow
from deployer.system.wait import Deadline

POLL_SECONDS = 0.1
"""The delay until the end of the process is noticed if its own children keep its descriptors open."""
EXIT_SECONDS = 3.0
INTERRUPT_SECONDS = 2.0
MAX_MESSAGE_BYTES = 64 << 20
BOOTSTRAP = """
import atexit, os, sys
atexit.register(os._exit, 0)
sys.path[:] = {path!r}
from deployer.export.worker import main
main({arguments})
"""
"""The exit function registered first runs last: after those of user code, before Python frees each object."""
KERAS_PACKAGES = ("keras", "tf_keras")


class Bug(Exception):
    """An unexpected error in the child process, with its traceback."""


class Exporter(Protocol):
    """The two steps of an export, in this process or in a child process."""

    def save(self, request: ExportRequest, target: Path, progress: Progress) -> Saved:
        """Save the source as `deployer.export.save` does."""
        ...

    def record_golden(self, target: Path, request: ExportRequest, progress: Progress) -> GoldenSummary:
        """Record the golden set as `deployer.export.record_golden` does."""
        ...


@contextmanager
def open_exporter(request: ExportRequest) -> Iterator[Exporter]:
    """Yield an exporter: a child process, or this process if only it has the modules that the source names.

    Raises ExtraMissing if TensorFlow is not installed.
    """
    require_tensorflow("an export")
    if _needs_this_process(request):
        yield export
        return
    with _child() as child:
        yield child


def _needs_this_process(request: ExportRequest) -> bool:
    """Return whether only the calling process has what the request names.

    That is a module that is already imported, as in a notebook, or a class that is registered with Keras.
    """
    return any(place in sys.modules for place in _modules(request)) or (
        keras_file.matches(request.source) and _has_custom_objects()
    )


def _modules(request: ExportRequest) -> list[str]:
    """Return the module parts of the source and the options; file paths are among them."""
    references = [
        request.source,
        *(text.partition("=")[2] for text in request.signatures),
        request.custom_objects or "",
    ]
    return [text.rpartition(":")[0] for text in references]


def _has_custom_objects() -> bool:
    packages = [sys.modules[name] for name in KERAS_PACKAGES if name in sys.modules]
    return any(keras.utils.get_custom_objects() for keras in packages)


def measure(before: Model, after: Model) -> Numbers:
    """Compare two versions as `deployer.export.golden.distance.measure` does, in a child process."""
    with _child() as child:
        return child.measure(before, after)


@contextmanager
def shared_child() -> Iterator[None]:
    """Use one child process for all calls within the context, so TensorFlow is imported only once."""
    if _shared.get() is not None:
        yield
        return
    shared: list[Child] = []
    token = _shared.set(shared)
    try:
        yield
    finally:
        _shared.reset(token)
        for child in shared:
            child.end()


_shared: ContextVar[list[Child] | None] = ContextVar("kept", default=None)


@contextmanager
def _child() -> Iterator[Child]:
    shared = _shared.get()
    if shared is None:
        child = Child()
        try:
            yield child
        finally:
            child.end()
        return
    if not shared or not shared[0].alive:
        shared[:] = [Child()]
    yield shared[0]


class Child:
    """A running `worker`. Its stdout and stderr are forwarded to this process's stderr."""

    def __init__(self) -> None:
        self._connection, child_end = Pipe()
        self._output = ChildOutput()
        descriptors = (child_end.fileno(), self._output.crash_file.fileno())
        start = BOOTSTRAP.format(path=[*map(str, sys.path)], arguments=f"{descriptors}, {os.getpid()}")
        try:
            with _interrupts_blocked():
                self._process = subprocess.Popen(
                    [sys.executable, "-c", start],
                    stdout=self._output.write_end, stderr=self._output.write_end, pass_fds=descriptors,
                )  # fmt: skip
        except OSError as error:
            raise ModelError(f"the process that loads models cannot be started: {error}") from error
        finally:
            child_end.close()
            self._output.close_write_end()

    @property
    def alive(self) -> bool:
        """Whether it still accepts calls."""
        return self._process.poll() is None

    def save(self, request: ExportRequest, target: Path, progress: Progress) -> Saved:
        """Save the source. Raises SourceCrashed if the process ends first."""
        return Saved(**self._call("save", (request, target), request.source, progress))

    def record_golden(self, target: Path, request: ExportRequest, progress: Progress) -> GoldenSummary:
        """Record the golden set. Raises SourceCrashed if the process ends first."""
        return GoldenSummary(**self._call("record_golden", (target, request), request.source, progress))

    def measure(self, before: Model, after: Model) -> Numbers:
        """Compare two versions. Raises SourceCrashed if the process ends first."""
        fields = self._call("measure", (before, after), f"{after.name}:{after.version}", lambda _: None)
        return Numbers(**{**fields, "distances": tuple(OutputDistance(**each) for each in fields["distances"])})

    def _call(self, name: str, arguments: tuple[object, ...], subject: str, progress: Progress) -> dict[str, Any]:
        try:
            with suppress(ConnectionError):  # the process has ended: `_answer` reports it
                self._connection.send(Call(name, arguments, ProcessContext.of_this_process()))
            return self._answer(subject, progress)
        except DeployerError:
            raise
        except BaseException:
            self._interrupt()
            raise

    def _answer(self, subject: str, progress: Progress) -> dict[str, Any]:
        phase = "starting"
        while (message := self._next_message()) is not None:
            if "progress" in message:
                progress(Phase(**message["progress"]))
            elif "note" in message:
                progress(Note(**message["note"]))
            elif "phase" in message:
                phase = message["phase"]
            elif "result" in message:
                return {name: _frozen(value) for name, value in message["result"].items()}
            else:
                raise _error(message)
        still_running = self.alive
        self._stop()
        code = None if still_running else self._process.returncode
        raise crashes.crashed(subject, phase, code, self._output.tail())

    def _next_message(self) -> dict[str, Any] | None:
        """Return the next message; None if the process has ended or can send no more."""
        while True:
            ended = not self.alive
            self._output.wait(0 if ended else POLL_SECONDS, self._connection)
            self._output.forward()
            try:
                if self._connection.poll():
                    message = dict(json.loads(self._connection.recv_bytes(MAX_MESSAGE_BYTES)))
                    self._output.forward()
                    return message
            except (OSError, EOFError, ValueError):
                self._await_end(EXIT_SECONDS)
                return None
            if ended:
                return None

    def end(self) -> None:
        """Let the process exit by itself, or kill it."""
        self._connection.close()
        self._await_end(EXIT_SECONDS)
        self._stop()
        self._output.close()

    def _interrupt(self) -> None:
        """Interrupt the process as Ctrl-C does and hide its output; kill it if its cleanup takes too long."""
        self._output.mute()
        try:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(INTERRUPT_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self._process.kill()
            self._process.wait()

    def _await_end(self, timeout: float) -> None:
        deadline = Deadline.after(timeout)
        while self._output.open and self.alive and not deadline.passed:
            self._output.wait(POLL_SECONDS)
            self._output.forward()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(deadline.remaining)

    def _stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self._output.forward()


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Block SIGINT while the child starts, which also receives Ctrl-C and unblocks it when it accepts calls."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _frozen(value: object) -> object:
    """Convert lists from JSON to tuples."""
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _error(message: Mapping[str, Any]) -> BaseException:
    """Return the child's error as the exception that this process raises."""
    if fields := message.get("error"):
        kind = getattr(errors, fields["kind"], ModelError)
        return cast("DeployerError", kind(fields["message"], hint=fields["hint"], log=tuple(fields["log"])))
    bug = Bug(message["bug"])
    if (system := message.get("system")) and system[2] is not None:
        return OSError(*system)
    return bug

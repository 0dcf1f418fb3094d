"""Import TensorFlow quietly, keep third-party output off stdout, and convert third-party failures to ExportFailed."""

from __future__ import annotations

import errno
import importlib
import logging
import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from itertools import takewhile
from pathlib import Path
from types import ModuleType
from typing import Any

from deployer.errors import DeployerError, ExportFailed, ExtraMissing
from deployer.export import keras_backend

QUIET_ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "3", "GRPC_VERBOSITY": "ERROR"}
DISK_FULL = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
ANSI = re.compile(r"\x1b\[[0-9;]*m")
TRAILERS = ("Arguments received by", "config=", "Original stack trace")
NOISE = (
    "Detected at node",
    "Exception encountered when",
    "Graph execution error",
    "[[",
    "Node: ",
    'File "',
    "Errors may have originated",
)
MAX_REASON = 400
INSTALL = {"tensorflow": "pip install tensorflow", "keras": "pip install keras", "tf_keras": "pip install tf_keras"}


def tensorflow() -> Any:
    """Return the TensorFlow module, imported without log output."""
    return library("tensorflow")


def tf_module(name: str) -> Any:
    """Import one module of TensorFlow without the package around it, which would import Keras: saves seconds.

    If TensorFlow is imported before or later, it is the same module.
    """
    _set_log_levels()
    with _descriptor_silenced(2), _bare_tensorflow(), keras_backend.tensorflow_backend():
        return importlib.import_module(name)


@contextmanager
def _bare_tensorflow() -> Iterator[None]:
    """Allow importing modules of TensorFlow without running the package's `__init__`."""
    if "tensorflow" in sys.modules:
        yield
        return
    placeholder = ModuleType("tensorflow")
    placeholder.__path__ = [str(_tensorflow_directory())]
    sys.modules["tensorflow"] = placeholder
    try:
        yield
    finally:
        del sys.modules["tensorflow"]


def _tensorflow_directory() -> Path:
    for entry in sys.path:
        directory = Path(entry or ".") / "tensorflow"
        if (directory / "core" / "framework" / "tensor_pb2.py").is_file():
            return directory
    raise ExtraMissing("TensorFlow is not installed in this environment", hint="pip install tensorflow")


def library(name: str) -> Any:
    """Import TensorFlow or Keras by module name. Raises ExtraMissing with the install command."""
    _set_log_levels()
    try:
        with _descriptor_silenced(2), keras_backend.tensorflow_backend():
            module = importlib.import_module(name)
    except ImportError as error:
        if error.name != name:
            raise ExportFailed(f"{name} is installed and cannot be imported: {reason(error)}") from error
        raise ExtraMissing(f"{name} is needed for this and is not installed", hint=INSTALL[name]) from error
    _check_backend(name, module)
    return module


def _set_log_levels() -> None:
    for variable, value in QUIET_ENVIRONMENT.items():
        os.environ.setdefault(variable, value)
    for logger in ("tensorflow", "absl"):
        logging.getLogger(logger).setLevel(logging.ERROR)


def _check_backend(name: str, module: Any) -> None:
    """Raise ExportFailed if Keras, imported earlier by the process, runs on another backend."""
    running = module.backend.backend() if name == "keras" else keras_backend.TENSORFLOW
    if running != keras_backend.TENSORFLOW:
        raise ExportFailed(
            f"Keras runs on {running} in this process: a SavedModel needs TensorFlow",
            hint=f"set {keras_backend.VARIABLE}={keras_backend.TENSORFLOW} before keras is imported",
        )


@contextmanager
def _descriptor_silenced(number: int) -> Iterator[None]:
    """Discard what C++ prints while TensorFlow is loading: it ignores log levels, and failures are raised anyway."""
    _flush(sys.stderr)
    with duplicated(number) as copy, Path(os.devnull).open("wb") as nowhere:
        if copy is not None:
            os.dup2(nowhere.fileno(), number)
        try:
            yield
        finally:
            _flush(sys.stderr)
            if copy is not None:
                os.dup2(copy, number)


@contextmanager
def stdout_on_stderr() -> Iterator[None]:
    """Redirect stdout of Python and C code to stderr: the tool's stdout carries only its data."""
    _flush(sys.stdout)
    with duplicated(1) as copy, redirect_stdout(sys.stderr):
        if copy is not None:
            os.dup2(2, 1)
        try:
            yield
        finally:
            _flush(sys.stderr)
            if copy is not None:
                os.dup2(copy, 1)


def _flush(stream: Any) -> None:
    """Flush a stream, which may be missing or closed."""
    with suppress(OSError, ValueError, AttributeError):
        stream.flush()


@contextmanager
def duplicated(number: int) -> Iterator[int | None]:
    """Yield a copy of a file descriptor; None if the process was started without it."""
    copy: int | None = None
    with suppress(OSError):
        copy = os.dup(number)
    try:
        yield copy
    finally:
        if copy is not None:
            os.close(copy)


@contextmanager
def foreign_work(what: str, *, hint: str | None = None) -> Iterator[None]:
    """Run TensorFlow or user code and convert its failures to ExportFailed; `what` says what failed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except DeployerError:
        raise
    except SystemExit as error:
        raise ExportFailed(f"{what}: the code called sys.exit({error.code!r})") from error
    except Exception as error:
        if disk_full(error):
            raise
        raise ExportFailed(f"{what}: {reason(error)}", hint=hint) from error


@contextmanager
def writing_to(target: Path) -> Iterator[None]:
    """Convert a full disk and other file system errors to ExportFailed; other errors pass unchanged."""
    try:
        yield
    except DeployerError as error:
        cause = error.__cause__
        if cause is not None and disk_full(cause):
            raise _disk_full_error(target) from error
        raise
    except Exception as error:
        if disk_full(error):
            raise _disk_full_error(target) from error
        if isinstance(error, OSError):
            raise ExportFailed(f"cannot write to {target}: {reason(error)}") from error
        raise


def disk_full(error: BaseException) -> bool:
    """Return whether an error of Python or TensorFlow means that the disk or the quota is full."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return bool(DISK_FULL.search(str(error)))


def _disk_full_error(target: Path) -> ExportFailed:
    return ExportFailed(
        f"disk full while exporting to {target}",
        hint="free some space, or choose another models directory with --models-dir",
    )


def reason(error: BaseException) -> str:
    """Return the essential part of an error's text on one line."""
    lines = (line.strip() for line in ANSI.sub("", str(error)).splitlines())
    relevant = takewhile(lambda line: not line.startswith(TRAILERS), lines)
    kept = [line for line in relevant if line and not line.startswith(NOISE)]
    text = " ".join(kept[:4])
    text = text if len(text) <= MAX_REASON else text[: MAX_REASON - 3] + "..."
    return f"{type(error).__name__}: {text}" if text else type(error).__name__

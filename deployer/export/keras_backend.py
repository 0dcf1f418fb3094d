"""Force Keras to use its TensorFlow backend, because a SavedModel contains TensorFlow operations.

A Keras file works with any backend. User code may depend on one: see `require_tensorflow`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deployer.errors import ExportFailed

VARIABLE = "KERAS_BACKEND"
TENSORFLOW = "tensorflow"


@contextmanager
def tensorflow_backend() -> Iterator[None]:
    """Select the TensorFlow backend for a Keras that is imported within the context."""
    with restored():
        os.environ[VARIABLE] = TENSORFLOW
        yield


@contextmanager
def restored() -> Iterator[None]:
    """Restore KERAS_BACKEND on exit, whatever the code in the context sets."""
    previous = os.environ.get(VARIABLE)
    try:
        yield
    finally:
        if previous is None:
            os.environ.pop(VARIABLE, None)
        else:
            os.environ[VARIABLE] = previous


def backend_note() -> tuple[str, ...]:
    """Return a note if the environment selects another backend than TensorFlow."""
    other = _other_backend()
    return (f"loaded with the TensorFlow backend of Keras, although {other[1]} says {other[0]}",) if other else ()


def require_tensorflow(source: str) -> None:
    """Raise ExportFailed if KERAS_BACKEND names another backend, set by the environment or by the user's code."""
    backend = os.environ.get(VARIABLE)
    if backend and backend != TENSORFLOW:
        raise ExportFailed(
            f"{source} asks for the Keras backend {backend!r:.40} ({VARIABLE}): a SavedModel needs TensorFlow",
            hint=f"set {VARIABLE}={TENSORFLOW}, in the code too; or save the model as a .keras file and export that: "
            "the file belongs to no backend",
        )


def _other_backend() -> tuple[str, str] | None:
    """Return the other backend and where it is set: the variable, or else Keras's configuration file."""
    backend = os.environ.get(VARIABLE)
    if backend:
        setting = (backend, VARIABLE)
    else:
        path = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "keras.json"
        setting = (_in_file(path), str(path))
    return None if setting[0] == TENSORFLOW else (f"{setting[0]!r:.40}", setting[1])


def _in_file(path: Path) -> str:
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return TENSORFLOW
    return str(settings.get("backend") or TENSORFLOW) if isinstance(settings, dict) else TENSORFLOW

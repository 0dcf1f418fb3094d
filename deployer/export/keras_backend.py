"""Keras runs on TensorFlow here, whatever the environment says: a SavedModel holds TensorFlow's operations.

A Keras file belongs to no backend. Code may: see `refuse_other`.
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
def tensorflow_chosen() -> Iterator[None]:
    """While the context lasts, a Keras that is imported takes TensorFlow."""
    with kept():
        os.environ[VARIABLE] = TENSORFLOW
        yield


@contextmanager
def kept() -> Iterator[None]:
    """What code sets in KERAS_BACKEND ends with the context."""
    before = os.environ.get(VARIABLE)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(VARIABLE, None)
        else:
            os.environ[VARIABLE] = before


def note() -> tuple[str, ...]:
    """A note where the environment asks for another backend than TensorFlow."""
    asked = _asked()
    return (f"loaded with the TensorFlow backend of Keras, although {asked[1]} says {asked[0]}",) if asked else ()


def refuse_other(source: str) -> None:
    """Raises ExportFailed where KERAS_BACKEND names another backend, by the environment or by the code itself."""
    backend = os.environ.get(VARIABLE)
    if backend and backend != TENSORFLOW:
        raise ExportFailed(
            f"{source} asks for the Keras backend {backend!r:.40} ({VARIABLE}): a SavedModel needs TensorFlow",
            hint=f"set {VARIABLE}={TENSORFLOW}, in the code too; or save the model as a .keras file and export that: "
            "the file belongs to no backend",
        )


def _asked() -> tuple[str, str] | None:
    """The other backend and what names it: the variable, else Keras's own file of settings."""
    backend = os.environ.get(VARIABLE)
    if backend:
        found = (backend, VARIABLE)
    else:
        path = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "keras.json"
        found = (_in_file(path), str(path))
    return None if found[0] == TENSORFLOW else (f"{found[0]!r:.40}", found[1])


def _in_file(path: Path) -> str:
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return TENSORFLOW
    return str(settings.get("backend") or TENSORFLOW) if isinstance(settings, dict) else TENSORFLOW

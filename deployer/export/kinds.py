"""The kinds of source that can be exported: the first that matches is taken."""

from __future__ import annotations

from pathlib import Path

from deployer.errors import SourceNotFound
from deployer.export import keras_file, python_object, saved_model_folder
from deployer.export.base import SourceKind

KINDS: tuple[SourceKind, ...] = (keras_file, saved_model_folder, python_object)
FORMS = "a Keras file (.keras, .h5), a SavedModel folder, path/to/file.py:name, or package.module:name"


def kind_of(source: str) -> SourceKind:
    """The kind of a source. Raises SourceNotFound, with what would have been understood."""
    for kind in KINDS:
        if kind.matches(source):
            return kind
    raise _not_found(source)


def _not_found(source: str) -> SourceNotFound:
    path = Path(source)
    if path.suffix == ".py":
        return SourceNotFound(
            f"{source} is a Python file: say which model in it, or which function returns one",
            hint=f"{source}:NAME",
        )
    if "\0" not in source and path.is_file():
        return SourceNotFound(f"{source} is no kind of model file that is known", hint=f"a source is {FORMS}")
    return SourceNotFound(f"there is no model at {source!r:.200}", hint=f"a source is {FORMS}")

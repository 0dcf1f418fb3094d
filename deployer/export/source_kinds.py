"""The kinds of source that can be exported; the first that matches is used."""

from __future__ import annotations

import shlex
from pathlib import Path

from deployer.errors import ExportFailed, SourceNotFound
from deployer.export.base import ExportRequest, SourceKind, option
from deployer.export.code import python_object
from deployer.export.graphs import file as graph_file
from deployer.export.keras import file as keras_file
from deployer.export.saved_models import archive as saved_model_archive
from deployer.export.saved_models import directory as saved_model_directory
from deployer.savedmodel import lfs_pointers
from deployer.savedmodel.recognise import recognise

KINDS: tuple[SourceKind, ...] = (keras_file, saved_model_archive, saved_model_directory, graph_file, python_object)
SOURCE_FORMS = (
    "a Keras file (.keras, .h5), a SavedModel directory or archive (.tar.gz, .zip), a graph (.pb, .meta), "
    "path/to/file.py:name, or package.module:name"
)
COMMON_OPTIONS = frozenset({"signature", "default_signature", "examples", "trust", "warmup", "warmup_sizes"})


def kind_of(source: str) -> SourceKind:
    """Return the kind of a source. Raises SourceNotFound with the supported forms."""
    for kind in KINDS:
        if kind.matches(source):
            return kind
    raise _not_found(source)


def check_options(request: ExportRequest) -> None:
    """Raise ExportFailed for an option that the kind of the source does not support."""
    kind = kind_of(request.source)
    for name in request.changed():
        if name not in COMMON_OPTIONS | kind.SUPPORTED_OPTIONS:
            reason = _REASONS.get((name, kind.KIND), "it means nothing there")
            raise ExportFailed(f"{option(name)} cannot change {request.source}: {reason}", hint=_HINTS.get(name))


def writes_warmup(request: ExportRequest) -> bool:
    """Return whether a warm-up file is written: for an existing SavedModel only with `--warmup`."""
    return not is_saved_model_source(request) if request.warmup is None else request.warmup


def is_saved_model_source(request: ExportRequest) -> bool:
    """Return whether the source is a SavedModel, which is stored unchanged."""
    return kind_of(request.source).KIND in (saved_model_directory.KIND, saved_model_archive.KIND)


_FIXED = "the signatures of a SavedModel are fixed"
_REASONS = {("inputs", kind.KIND): _FIXED for kind in (saved_model_directory, saved_model_archive)}
_REASONS["inputs", graph_file.KIND] = "its tensors have their dtypes and shapes"
_HINTS = {
    "signatures": "it goes with a Keras file or your own code; --default-signature NAME picks one that is there",
    "custom_objects": "it names what a Keras file does not carry; code of your own imports what it needs",
    "weights": "they go with a function that builds the Keras model: file.py:function --weights FILE",
    "serve_as": "it goes with a Keras file or a model in your own code",
    "graph_inputs": "it names a tensor of a frozen graph (.pb) or a checkpoint's graph (.meta)",
    "graph_outputs": "it names a tensor of a frozen graph (.pb) or a checkpoint's graph (.meta)",
    "inputs": "export the model again from its code, file.py:name, with --input",
    "tags": "tags choose a graph of a SavedModel that has several; leave them out",
}


def _not_found(source: str) -> SourceNotFound:
    path = Path(source)
    if path.suffix == ".py":
        return SourceNotFound(
            f"{source} is a Python file: say which model in it, or which function returns one",
            hint=f"{shlex.quote(source)}:NAME",
        )
    if "\0" not in source and path.is_file():
        lfs_pointers.check((path,))
        if recognised := recognise(path):
            return SourceNotFound(f"{source} is {recognised.what}", hint=recognised.hint)
        return SourceNotFound(f"{source} is no kind of model file that is known", hint=f"a source is {SOURCE_FORMS}")
    return SourceNotFound(f"there is no model at {source!r:.200}", hint=f"a source is {SOURCE_FORMS}")

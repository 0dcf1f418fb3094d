"""A Keras model file: `.keras`, or `.h5` as Keras 2 and 3 write it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deployer.errors import BrokenModel, DeployerError, ExportFailed, ExtraMissing
from deployer.export import keras_backend, missing_files, signature_writer
from deployer.export.base import ExportRequest, Saved
from deployer.export.code import user_signatures
from deployer.export.code.user_code import attribute, imported
from deployer.export.digest import file_digest
from deployer.export.golden import source_answers
from deployer.export.keras import model as keras_model
from deployer.export.keras.config import FileConfig, check_trusted, marshalled_layers, read_config
from deployer.export.runtime import disk_full, library, reason, tensorflow
from deployer.results.progress import Phase, Progress

KIND = "keras_file"
SUPPORTED_OPTIONS = frozenset({"inputs", "signatures", "serve_as", "custom_objects"})
SUFFIXES = frozenset({".keras", ".h5", ".hdf5"})
UNKNOWN_OBJECT = re.compile(
    r"(?:Unknown \w+|Could not locate \w+|Cannot deserialize object of type)[: ]+['\"`]([\w.>]{1,80})['\"`]"
)
"""How Keras 2 and 3 report an unknown class or function, with its name."""
OTHER_BYTECODE = re.compile(r"marshal data|XXX lineno|unknown opcode|code\(\) argument|code expected")
"""How Python reports bytecode of another Python version."""
CAUSE_PREFIX = "Exception encountered: "
"""Keras 3 puts this before the cause, once per enclosing layer, after that layer's whole configuration."""


def matches(source: str) -> bool:
    """Return whether the suffix is that of a Keras file."""
    return "\0" not in source and Path(source).suffix.lower() in SUFFIXES and not Path(source).is_dir()


def location(source: str) -> str:
    """Return the absolute path. Raises SourceNotFound."""
    path = Path(source)
    if not path.is_file():
        raise missing_files.file_not_found(source, SUFFIXES)
    return str(path.resolve())


def digest(request: ExportRequest) -> str:
    """Return the sha256 of the file."""
    return file_digest(Path(location(request.source)))


def save(request: ExportRequest, target: Path, progress: Progress) -> Saved:
    """Load the file with the Keras generation that wrote it, and write its signatures."""
    path = Path(location(request.source))
    config = read_config(path)
    progress(Phase(f"loading {path.name} (written by Keras {config.keras_version})"))
    tensorflow()
    keras = _keras_for(config.keras_version)
    with _custom_objects(request.custom_objects) as custom:
        if not request.trust:
            check_trusted(path, config, custom)
        model = _load(path, config, keras, custom, trust=request.trust)
        notes = _write(model, request, target, progress)
    return Saved(str(keras.__version__), (*keras_backend.backend_note(), *notes))


def _write(model: Any, request: ExportRequest, target: Path, progress: Progress) -> tuple[str, ...]:
    traced = keras_model.function_of(model, request.specs)
    progress(Phase("saving it as a SavedModel"))
    with user_signatures.completed({signature_writer.DEFAULT_SIGNATURE: traced}, model, request) as functions:
        notes = signature_writer.write_signatures(functions, target)
        source_answers.run_source(target, source_answers.eagerly(functions), request)
    return notes


@contextmanager
def _custom_objects(text: str | None) -> Iterator[dict[str, Any]]:
    """Yield classes and functions by name: the dict that the option names, or the one class or function."""
    if text is None:
        yield {}
        return
    module_ref, _, name = text.rpartition(":")
    if not module_ref:
        raise ExportFailed(f"--custom-objects {text[:80]!r} is not of the form file.py:NAME or package.module:NAME")
    with imported(module_ref) as module:
        found = attribute(module, name)
        if not isinstance(found, Mapping) and not callable(found):
            raise ExportFailed(f"--custom-objects {text}: {name} is neither a dict of classes nor a class or function")
        yield dict(found) if isinstance(found, Mapping) else {str(found.__name__): found}


def _keras_for(version: str) -> Any:
    """Return the installed Keras of the writer's generation: with Keras 3 installed, Keras 2 files need tf_keras."""
    keras = library("keras")
    installed = _generation(keras.__version__)
    required = max(_generation(version), 2)
    if installed == required:
        return keras
    if required == 2:
        return library("tf_keras")
    raise ExtraMissing(
        f"the file was written by Keras {version}, and Keras {keras.__version__} is installed",
        hint="pip install -U keras",
    )


def _generation(version: str) -> int:
    head = version.partition(".")[0]
    return int(head) if head.isdigit() else 3


def _load(path: Path, config: FileConfig, keras: Any, custom: Mapping[str, Any], *, trust: bool) -> Any:
    try:
        return keras.models.load_model(str(path), custom_objects={**custom}, compile=False, safe_mode=not trust)
    except DeployerError:
        raise
    except (Exception, SystemExit) as error:
        if disk_full(error):
            raise
        raise _load_failure(path, config, error) from error


def _load_failure(path: Path, config: FileConfig, error: BaseException) -> DeployerError:
    layers = marshalled_layers(config)
    if layers and OTHER_BYTECODE.search(str(error)):
        return ExportFailed(
            f"{path} holds bytecode that this Python cannot read, in the layers {', '.join(layers)} (Lambda): another "
            "version of Python wrote it",
            hint="build the same layers in a function, and take the weights alone: "
            f"file.py:function --weights {shlex.quote(str(path))}",
        )
    text = reason(Exception(str(error).rpartition(CAUSE_PREFIX)[2])).partition(": ")[2]
    if match := UNKNOWN_OBJECT.search(str(error)):
        return ExportFailed(
            f"{path} uses {match[1]!r}, which is not part of Keras and not in the file",
            hint=f"--custom-objects file.py:{match[1]}, or load the model in a file of your own: file.py:name",
        )
    if isinstance(error, (OSError, EOFError, KeyError)):
        return BrokenModel(f"{path} cannot be loaded: {text}", hint="it may be cut short: copy or save it again")
    return ExportFailed(f"{path} cannot be loaded: {text}", hint="load it in a file of your own: file.py:name")

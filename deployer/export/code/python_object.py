"""`path/to/file.py:name` and `package.module:name`: a model in the user's code, or a function that returns one."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any

from deployer.errors import ExportFailed, SourceNotFound
from deployer.export import keras_backend, missing_files, signature_writer
from deployer.export.base import ExportRequest, Saved, option
from deployer.export.code import estimators, jax_function, tf_modules, user_signatures
from deployer.export.code.user_code import attribute, imported, user_code
from deployer.export.golden import source_answers
from deployer.export.graphs import sessions
from deployer.export.keras import model as keras_model
from deployer.export.keras import recorded_calls as keras_calls
from deployer.export.runtime import foreign_work, library, reason, tensorflow
from deployer.results.model import TensorSpec
from deployer.results.progress import Phase, Progress

KIND = "python"
WEIGHTS = (".h5", ".keras")
SUPPORTED_OPTIONS = frozenset({"inputs", "signatures", "serve_as", "weights"})
FILE = re.compile(r"(?P<place>.+\.py):(?P<name>[^\W\d]\w*(\.[^\W\d]\w*)*)")
PACKAGE = re.compile(r"(?P<place>[^\W\d]\w*(\.[^\W\d]\w*)*):(?P<name>[^\W\d]\w*(\.[^\W\d]\w*)*)")


def matches(source: str) -> bool:
    """Return whether the text is a file or a dotted module, a colon, and a name."""
    return _parts(source) is not None


def _parts(source: str) -> tuple[str, str] | None:
    match = FILE.fullmatch(source) or PACKAGE.fullmatch(source)
    return (match["place"], match["name"]) if match else None


def _split(source: str) -> tuple[str, str]:
    parts = _parts(source)
    if parts is None:
        raise SourceNotFound(f"{source!r} is not of the form file.py:name or package.module:name")
    return parts


def location(source: str) -> str:
    """Return the absolute path of the file with the name; a package reference as it is."""
    module_ref, name = _split(source)
    if not module_ref.endswith(".py"):
        return source
    if not Path(module_ref).is_file():
        raise missing_files.file_not_found(module_ref, (".py",), f":{name}")
    return f"{Path(module_ref).resolve()}:{name}"


def digest(_request: ExportRequest) -> None:
    """Return None: only running the code shows what it produces."""
    return


def save(request: ExportRequest, target: Path, progress: Progress) -> Saved:
    """Import the user's code, get the model from it, and write its signatures."""
    location(request.source)
    module_ref, name = _split(request.source)
    progress(Phase(f"importing {module_ref}"))
    tensorflow()
    with keras_backend.restored(), _recording_calls(), eager_restored(), imported(module_ref) as module:
        model = _model(attribute(module, name), name, _directory(module_ref), request)
        is_keras = keras_model.is_keras_model(model)
        if is_keras:
            keras_backend.require_tensorflow(request.source)
        if request.weights is not None:
            _load_weights(model, request.weights, request.specs)
        progress(Phase(f"saving {type(model).__name__} as a SavedModel"))
        notes = _write(model, request, target, (module_ref, module))
    return Saved(keras_model.keras_version(model), (*(keras_backend.backend_note() if is_keras else ()), *notes))


def _write(model: Any, request: ExportRequest, target: Path, source_module: tuple[str, ModuleType]) -> tuple[str, ...]:
    if sessions.is_session_model(model):
        _refuse_options(request, "a session's tensors have their names, dtypes and shapes")
        session, inputs, outputs = model
        with session:
            sessions.write(session, inputs, outputs, target)
            source_answers.run_source(target, sessions.calls(session, inputs, outputs), request)
        return ()
    if estimators.is_estimator_pair(model):
        _refuse_options(request, "an estimator's inputs and signatures are its own")
        estimator, serving_input_receiver_fn = model
        estimators.write(estimator, serving_input_receiver_fn, target)
        return ()
    with user_signatures.completed(functions_of(model, request), model, request, source_module) as functions:
        notes = signature_writer.write_signatures(functions, target)
        source_answers.run_source(target, source_answers.eagerly(functions), request)
    return notes


def _refuse_options(request: ExportRequest, reason: str) -> None:
    """Raise ExportFailed for options that shape other models: sessions and Estimators define their own signatures."""
    for name in ("inputs", "signatures", "serve_as"):
        if name in request.changed():
            raise ExportFailed(f"{option(name)} cannot change {request.source}: {reason}", hint="change the code")


def _load_weights(model: Any, weights: Path, inputs: tuple[TensorSpec, ...]) -> None:
    """Load weights into a built Keras model: one that is not built would silently load nothing."""
    if not weights.is_file():
        raise missing_files.file_not_found(weights, WEIGHTS)
    if not keras_model.is_keras_model(model):
        raise ExportFailed(f"--weights goes with a Keras model, not with a {type(model).__name__}")
    if not model.built and inputs:
        keras_model.build(model, inputs)
    if not model.built:
        raise ExportFailed(
            f"the model {model.name!r} is not built, so no weights fit it",
            hint="--input name:dtype[shape] builds it, or call it once in the file",
        )
    with foreign_work(f"{weights} does not fit the model {model.name!r}", hint="is it of the same layers?"):
        model.load_weights(str(weights))


def functions_of(model: Any, request: ExportRequest) -> tf_modules.Functions:
    """Return the traced signatures: a Keras model has one, a module may have several."""
    if keras_model.is_keras_model(model):
        return {signature_writer.DEFAULT_SIGNATURE: keras_model.function_of(model, request.specs)}
    if jax_function.is_jax_function(model):
        name = signature_writer.DEFAULT_SIGNATURE
        return {name: tf_modules.traced(name, jax_function.servable_of(model, request.specs))}
    if request.signatures and not request.inputs and not tf_modules.has_usable(model):
        return {}
    return tf_modules.functions_of(model, request.specs)


@contextmanager
def eager_restored() -> Iterator[None]:
    """Restore eager execution on exit: code for TensorFlow 1 often disables it for the whole process."""
    tf = tensorflow()
    try:
        yield
    finally:
        if not tf.executing_eagerly():
            tf.compat.v1.reset_default_graph()
            tf.compat.v1.enable_v2_behavior()


@contextmanager
def _recording_calls() -> Iterator[None]:
    keras = library("keras")
    is_keras_3 = int(str(keras.__version__).partition(".")[0]) >= 3
    with keras_calls.record_calls(keras) if is_keras_3 else nullcontext():
        yield


def _model(found: Any, name: str, directory: Path, request: ExportRequest) -> Any:
    """Return the object if it is a model or a plain function with given inputs; else call it without arguments."""
    if _is_model(found):
        return found
    if request.inputs and inspect.isfunction(found) and _missing_arguments(found):
        return tensorflow().function(found)
    if hasattr(found, "signatures") and hasattr(found, "tensorflow_version"):
        raise ExportFailed(f"{name} is a SavedModel that was loaded", hint="give its directory instead")
    if not callable(found):
        raise _no_model(f"{name} is of type {type(found).__name__}")
    with user_code(f"{name}() failed", directory):
        _check_takes_nothing(found, name)
        returned = found()
    if not _is_model(returned):
        raise _no_model(f"{name}() returned {type(returned).__name__}")
    return returned


def _is_model(thing: object) -> bool:
    kinds = (keras_model.is_keras_model, tf_modules.is_module, _exports_itself, jax_function.is_jax_function)
    return any(is_one(thing) for is_one in kinds)


def _exports_itself(thing: object) -> bool:
    return sessions.is_session_model(thing) or estimators.is_estimator_pair(thing)


def _no_model(description: str) -> ExportFailed:
    return ExportFailed(
        f"{description}: that is no model",
        hint="name a Keras model, a tf.Module or a tf.function, or a function without arguments that returns one, or "
        "(session, {'x': tensor}, {'y': tensor}), or (estimator, serving_input_receiver_fn)",
    )


def _directory(module_ref: str) -> Path:
    return Path(module_ref).resolve().parent if module_ref.endswith(".py") else Path.cwd()


def _missing_arguments(function: Callable[..., object]) -> TypeError | None:
    """Return the error that a call without arguments would raise; None if there is none."""
    try:
        inspect.signature(function).bind()
    except TypeError as error:
        return error
    except ValueError:  # built-in functions may have no signature
        return None
    return None


def _check_takes_nothing(function: Callable[..., object], name: str) -> None:
    if error := _missing_arguments(function):
        raise ExportFailed(
            f"{name} cannot be called without arguments: {reason(error)}",
            hint="say what it takes, --input name:dtype[shape]; or name a model, or a function without arguments that "
            "returns one",
        ) from error

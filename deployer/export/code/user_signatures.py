"""Additional signatures: functions of the user (`--signature`), and wrappers around the model (`--serve-as`)."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from deployer.errors import ExportFailed
from deployer.export.base import ExportRequest
from deployer.export.code import tf_modules, wrappers
from deployer.export.code.tf_modules import Functions
from deployer.export.code.user_code import attribute, imported, user_code
from deployer.export.runtime import foreign_work
from deployer.export.signature_writer import DEFAULT_SIGNATURE, Traced

NAMED = re.compile(
    r"(?P<name>[A-Za-z][A-Za-z0-9_.-]*)=((?P<place>[^:]+):)?(?P<function>[^\W\d]\w*(\.[^\W\d]\w*)*)", re.DOTALL
)
_FORMS = (
    "a tf.function with input_signature=[tf.TensorSpec(...)], or a function that takes the model and returns one: "
    "--signature NAME=file.py:function"
)


@contextmanager
def completed(
    functions: Functions, model: Any, request: ExportRequest, source_module: tuple[str, ModuleType] | None = None
) -> Iterator[Functions]:
    """Yield the functions with the requested additions; the user's modules stay imported within the context.

    `source_module` is the reference and the module that the model came from: a function in the same file sees the same
    model.
    """
    with ExitStack() as stack:
        named = {**functions}
        for text in request.signatures:
            name, function = _resolve(text, model, source_module, stack)
            with foreign_work(f"the signature {name} could not be traced"):
                servable = tf_modules.declared(function)
            named[name] = tf_modules.traced(f"the signature {name}", servable)
        for wrapper_name in request.serve_as:
            named[wrapper_name] = _wrapped(wrapper_name, named)
        yield named


def _wrapped(wrapper_name: str, named: Functions) -> Traced:
    if wrapper_name in named:
        raise ExportFailed(
            f"the model has a signature {wrapper_name!r} already, which --serve-as {wrapper_name} would make"
        )
    if DEFAULT_SIGNATURE not in named:
        raise ExportFailed(f"--serve-as wraps {DEFAULT_SIGNATURE}, and the model has {', '.join(named)} only")
    base = named[DEFAULT_SIGNATURE].servable
    servable = wrappers.wrapped(wrapper_name, named[DEFAULT_SIGNATURE], base.inputs)
    original = wrappers.wrapped(wrapper_name, partial(base.outputs, original=True), base.inputs).call
    return tf_modules.traced(f"--serve-as {wrapper_name}", dataclasses.replace(servable, original=original))


def _resolve(text: str, model: Any, source_module: tuple[str, ModuleType] | None, stack: ExitStack) -> tuple[str, Any]:
    match = NAMED.fullmatch(text)
    if match is None or (match["place"] is None and source_module is None):
        raise ExportFailed(f"--signature {text[:80]!r} does not say where its function is", hint=_FORMS)
    module = _module(match["place"], source_module, stack)
    return match["name"], _function(attribute(module, match["function"]), match["function"], model, module)


def _module(module_ref: str | None, source_module: tuple[str, ModuleType] | None, stack: ExitStack) -> ModuleType:
    if source_module and (module_ref is None or _same(module_ref, source_module[0])):
        return source_module[1]
    return stack.enter_context(imported(str(module_ref)))


def _same(module_ref: str, other: str) -> bool:
    return module_ref == other or (module_ref.endswith(".py") and Path(module_ref).resolve() == Path(other).resolve())


def _function(function: Any, name: str, model: Any, module: ModuleType) -> Any:
    """Return the function itself, or what it returns for the model."""
    if not tf_modules.is_function(function) and callable(function):
        with user_code(f"{name}(model) failed", Path(getattr(module, "__file__", None) or ".").parent):
            function = function(model)
    if not tf_modules.is_function(function) or not tf_modules.declares_inputs(function):
        raise ExportFailed(f"{name} is no function that says what it takes: {type(function).__name__}", hint=_FORMS)
    return function

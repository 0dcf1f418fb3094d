"""Signatures beside the model's own: functions of the user (`--signature`), and wrappers around it (`--serve-as`)."""

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
from deployer.export.code.user_code import attribute, imported, users_code
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
    functions: Functions, model: Any, request: ExportRequest, own: tuple[str, ModuleType] | None = None
) -> Iterator[Functions]:
    """The functions with all that the request adds; the user's modules stay imported while the context lasts.

    `own` is the place that the model came from, and its module: a function in the same file sees the same model.
    """
    with ExitStack() as stack:
        named = {**functions}
        for text in request.signatures:
            name, function = _found(text, model, own, stack)
            with foreign_work(f"the signature {name} could not be traced"):
                servable = tf_modules.declared(function)
            named[name] = tf_modules.traced(f"the signature {name}", servable)
        for form in request.serve_as:
            named[form] = _wrapped(form, named)
        yield named


def _wrapped(form: str, named: Functions) -> Traced:
    if form in named:
        raise ExportFailed(f"the model has a signature {form!r} already, which --serve-as {form} would make")
    if DEFAULT_SIGNATURE not in named:
        raise ExportFailed(f"--serve-as wraps {DEFAULT_SIGNATURE}, and the model has {', '.join(named)} only")
    base = named[DEFAULT_SIGNATURE].servable
    servable = wrappers.wrapped(form, named[DEFAULT_SIGNATURE], base.inputs)
    original = wrappers.wrapped(form, partial(base.outputs, original=True), base.inputs).call
    return tf_modules.traced(f"--serve-as {form}", dataclasses.replace(servable, original=original))


def _found(text: str, model: Any, own: tuple[str, ModuleType] | None, stack: ExitStack) -> tuple[str, Any]:
    match = NAMED.fullmatch(text)
    if match is None or (match["place"] is None and own is None):
        raise ExportFailed(f"--signature {text[:80]!r} does not say where its function is", hint=_FORMS)
    home = _module(match["place"], own, stack)
    return match["name"], _function(attribute(home, match["function"]), match["function"], model, home)


def _module(place: str | None, own: tuple[str, ModuleType] | None, stack: ExitStack) -> ModuleType:
    if own and (place is None or _same(place, own[0])):
        return own[1]
    return stack.enter_context(imported(str(place)))


def _same(place: str, other: str) -> bool:
    return place == other or (place.endswith(".py") and Path(place).resolve() == Path(other).resolve())


def _function(found: Any, name: str, model: Any, home: ModuleType) -> Any:
    """The function itself, or what it makes of the model."""
    if not tf_modules.is_function(found) and callable(found):
        with users_code(f"{name}(model) failed", Path(getattr(home, "__file__", None) or ".").parent):
            found = found(model)
    if not tf_modules.is_function(found) or not tf_modules.declares_inputs(found):
        raise ExportFailed(f"{name} is no function that says what it takes: {type(found).__name__}", hint=_FORMS)
    return found

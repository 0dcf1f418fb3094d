"""Packages that add ops to TensorFlow, which TensorFlow Serving has built in: imported where a model needs them."""

from __future__ import annotations

import importlib
import re
import sys
from dataclasses import dataclass

from deployer.errors import ExportFailed, ExtraMissing
from deployer.export.runtime import reason, stdout_on_stderr, tf_module
from deployer.savedmodel import op_sets

UNKNOWN_OP = re.compile(r"(?:Op type not registered|No op named) '?([\w>]+)'?")


@dataclass(frozen=True)
class Library:
    """A package by its module and its name to install; `prefix` is what its ops start with, where they do."""

    module: str
    package: str
    title: str
    prefix: str = ""


LIBRARIES = (
    Library("tensorflow_decision_forests", "tensorflow-decision-forests", "TensorFlow Decision Forests", "SimpleML"),
    Library("tensorflow_text", "tensorflow-text", "TensorFlow Text"),
)


def unknown_op(error: BaseException) -> str | None:
    """The op that TensorFlow says it does not know, if that is what an error says."""
    found = UNKNOWN_OP.search(str(error))
    return found[1] if found else None


def import_op_library(op: str) -> bool:
    """Import the package that an unknown op is of; False where there is none that could help.

    Raises ExtraMissing where it is not installed, ExportFailed where it does not fit the TensorFlow that is.
    """
    library = _library_of(op)
    if library is None or library.module in sys.modules:
        return False
    subject = f"the model uses the op {op} of {library.title}"
    try:
        with stdout_on_stderr():
            importlib.import_module(library.module)
    except ModuleNotFoundError as error:
        if error.name != library.module:
            raise ExportFailed(f"{subject}, which cannot be imported: {reason(error)}") from error
        raise ExtraMissing(
            f"{subject}, which is not installed: it cannot be asked here", hint=_install(library)
        ) from error
    except Exception as error:
        raise ExportFailed(f"{subject}, which cannot be imported: {reason(error)}", hint=_install(library)) from error
    return True


def _library_of(op: str) -> Library | None:
    if op not in op_sets.serving_ops():
        return None
    return next(library for library in LIBRARIES if op.startswith(library.prefix))


def _install(library: Library) -> str:
    version = op_sets.minor(tf_module("tensorflow.python.framework.versions").VERSION)
    fitting = f"=={version}.*" if library.module == "tensorflow_text" else ""
    return (
        f"pip install '{library.package}{fitting}' beside TensorFlow {version}, or export where both are; "
        "serve it with tensorflow/serving, which has its ops: --engine docker"
    )

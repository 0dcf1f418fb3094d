"""Import packages that add ops to TensorFlow and that TensorFlow Serving has built in, when a model needs them."""

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
    """A package with its module and its installable name; `prefix` is the common prefix of its ops, if any."""

    module: str
    package: str
    title: str
    prefix: str = ""


LIBRARIES = (
    Library("tensorflow_decision_forests", "tensorflow-decision-forests", "TensorFlow Decision Forests", "SimpleML"),
    Library("tensorflow_text", "tensorflow-text", "TensorFlow Text"),
)


def unknown_op(error: BaseException) -> str | None:
    """Return the op that an error of TensorFlow calls unknown, else None."""
    found = UNKNOWN_OP.search(str(error))
    return found[1] if found else None


def import_op_library(op: str) -> bool:
    """Import the package that provides an unknown op; return False if there is none.

    Raises ExtraMissing if it is not installed, ExportFailed if it does not match the installed TensorFlow.
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

"""TensorFlow's and TensorFlow Serving's own message classes, without the seconds that `import tensorflow` costs.

The generated modules of the installed wheels import in a fraction of a second when a bare package stands in for
`tensorflow` meanwhile; it is removed again, so that a later real import finds nothing in its way. Messages that
no wheel ships (batching and monitoring parameters) are in `server.declared`: the server reads them.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any

from deployer.errors import ExtraMissing

_import_lock = threading.Lock()
_imported: dict[str, Any] = {}


def proto(module: str) -> Any:
    """A generated module by its full name, such as `tensorflow_serving.apis.predict_pb2`."""
    if module not in _imported:
        with _import_lock, _surroundings(module):
            _imported[module] = importlib.import_module(module)
    return _imported[module]


def _surroundings(module: str) -> AbstractContextManager[None]:
    return nullcontext() if module.startswith("tensorflow_serving.config.") else bare_tensorflow()


@contextmanager
def bare_tensorflow() -> Iterator[None]:
    """While it lasts, parts of TensorFlow can be imported without the package around them."""
    if "tensorflow" in sys.modules:
        yield
        return
    bare = ModuleType("tensorflow")
    bare.__path__ = [str(_tensorflow_folder())]
    sys.modules["tensorflow"] = bare
    try:
        yield
    finally:
        del sys.modules["tensorflow"]


def _tensorflow_folder() -> Path:
    for entry in sys.path:
        folder = Path(entry or ".") / "tensorflow"
        if (folder / "core" / "framework" / "tensor_pb2.py").is_file():
            return folder
    raise ExtraMissing("TensorFlow is not installed in this environment", hint="pip install tensorflow")

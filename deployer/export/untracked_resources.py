"""What a function uses and no object keeps: TensorFlow cannot save it, and says so in a page that names nothing."""

from __future__ import annotations

import linecache
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from deployer.errors import ExportFailed
from deployer.export.runtime import tensorflow

HANDLE = re.compile(r'name="(?P<name>[^"]*)".*type="(?P<type>[^"]*)"', re.DOTALL)
MADE_UP = re.compile(r"\d*|.*[0-9a-f]{8}-[0-9a-f]{4}-.*|.*-at-0x[0-9a-f]+|cd2c89b7.*")
"""Names of handles that TensorFlow counted or drew, and that tell nobody anything."""
KINDS = (
    ("Lookup", "a lookup table", "make it once, where the model is made: self.table = tf.lookup.StaticHashTable(...)"),
    ("Var", "a variable", "make it once, where the model is made: self.weight = tf.Variable(...)"),
    ("Iterator", "an iterator over a dataset", "requests bring the data: take what the iterator gives as an input"),
    ("Queue", "a queue", "requests bring the data: take what the queue gives as an input"),
    ("", "a resource", "keep what owns it as an attribute of the model, a layer or a tf.Module"),
)
"""A word in a handle's type, what it is, and the way out."""
CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})


def check(functions: Mapping[str, Any], kept: Mapping[int, Any]) -> None:
    """Raises ExportFailed for a captured resource that is none of `kept`, handles by id: what it is, and where it is
    used."""
    resource = tensorflow().resource
    for name, function in functions.items():
        for handle, inside in zip(function.captured_inputs, function.graph.internal_captures, strict=True):
            if handle.dtype == resource and id(handle) not in kept:
                raise _lost(name, handle, inside)


def _lost(signature: str, handle: Any, inside: Any) -> ExportFailed:
    match = HANDLE.search(repr(handle))
    name, kind = (match["name"], match["type"]) if match else ("", "")
    _, what, hint = next(known for known in KINDS if known[0] in kind)
    called = "" if MADE_UP.fullmatch(name) else f" ({name!r})"
    return ExportFailed(
        f"the signature {signature} uses {what}{called} that no object keeps, so it cannot be saved{_where(inside)}",
        hint=hint,
    )


def _where(inside: Any) -> str:
    """The line of the user's code that uses it, if one does."""
    frames = (frame for use in _uses(inside) for frame in reversed(use.traceback) if _is_users(frame.filename))
    for found in frames:
        return f"\n  {found.filename}, line {found.lineno}: {linecache.getline(found.filename, found.lineno).strip()}"
    return ""


def _uses(tensor: Any) -> Iterator[Any]:
    """The operations that take a tensor of a graph; of a call, those in the function called."""
    for operation in tensor.consumers():
        if operation.type not in CALLS:
            yield operation
            continue
        called = operation.graph._get_function(operation.get_attr("f").name)
        if called is not None and hasattr(called, "graph"):
            place = next(place for place, given in enumerate(operation.inputs) if given is tensor)
            yield from _uses(called.graph.inputs[place])


def _is_users(filename: str) -> bool:
    path = Path(filename)
    return path.is_file() and not {"site-packages", "dist-packages"} & set(path.parts) and not _ours(path)


def _ours(path: Path) -> bool:
    return path.is_relative_to(Path(__file__).parents[1])

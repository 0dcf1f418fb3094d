"""Explain why TensorFlow cannot save a resource that no object tracks; its own error names nothing."""

from __future__ import annotations

import linecache
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from deployer.errors import ExportFailed
from deployer.export.runtime import tensorflow

HANDLE = re.compile(r'name="(?P<name>[^"]*)".*type="(?P<type>[^"]*)"', re.DOTALL)
GENERATED_NAME = re.compile(r"\d*|.*[0-9a-f]{8}-[0-9a-f]{4}-.*|.*-at-0x[0-9a-f]+|cd2c89b7.*")
"""Handle names that TensorFlow generated and that mean nothing to the user."""
KINDS = (
    ("Lookup", "a lookup table", "make it once, where the model is made: self.table = tf.lookup.StaticHashTable(...)"),
    ("Var", "a variable", "make it once, where the model is made: self.weight = tf.Variable(...)"),
    ("Iterator", "an iterator over a dataset", "requests bring the data: take what the iterator gives as an input"),
    ("Queue", "a queue", "requests bring the data: take what the queue gives as an input"),
    ("", "a resource", "keep what owns it as an attribute of the model, a layer or a tf.Module"),
)
"""A word in a handle's type, the kind of resource, and the hint."""
CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})


def check(functions: Mapping[str, Any], saved: Mapping[int, Any]) -> None:
    """Raise ExportFailed for a captured resource that is not in `saved` (handles by id).

    The message names the resource and the user's line of code.
    """
    resource = tensorflow().resource
    for name, function in functions.items():
        for handle, inside in zip(function.captured_inputs, function.graph.internal_captures, strict=True):
            if handle.dtype == resource and id(handle) not in saved:
                raise _untracked_error(name, handle, inside)


def _untracked_error(signature: str, handle: Any, inside: Any) -> ExportFailed:
    match = HANDLE.search(repr(handle))
    name, kind = (match["name"], match["type"]) if match else ("", "")
    _, kind_text, hint = next(known for known in KINDS if known[0] in kind)
    called = "" if GENERATED_NAME.fullmatch(name) else f" ({name!r})"
    return ExportFailed(
        f"the signature {signature} uses {kind_text}{called} that no object keeps, so it cannot be saved"
        f"{_user_line(inside)}",
        hint=hint,
    )


def _user_line(inside: Any) -> str:
    """Return the line of the user's code that uses the tensor; empty if none does."""
    frames = (frame for use in _consumers(inside) for frame in reversed(use.traceback) if _is_user_file(frame.filename))
    for found in frames:
        return f"\n  {found.filename}, line {found.lineno}: {linecache.getline(found.filename, found.lineno).strip()}"
    return ""


def _consumers(tensor: Any) -> Iterator[Any]:
    """Yield the operations that consume a tensor; for a function call, those inside the function."""
    for operation in tensor.consumers():
        if operation.type not in CALLS:
            yield operation
            continue
        called = operation.graph._get_function(operation.get_attr("f").name)
        if called is not None and hasattr(called, "graph"):
            position = next(position for position, operand in enumerate(operation.inputs) if operand is tensor)
            yield from _consumers(called.graph.inputs[position])


def _is_user_file(filename: str) -> bool:
    path = Path(filename)
    return path.is_file() and not {"site-packages", "dist-packages"} & set(path.parts) and not _is_deployer_file(path)


def _is_deployer_file(path: Path) -> bool:
    return path.is_relative_to(Path(__file__).parents[1])

"""Compare two SavedModels by what a server reads, ignoring the numbers that TensorFlow appends to names.

TensorFlow's own fingerprint is not enough: it stays the same when a constant in a function changes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from google.protobuf.message import Message

from deployer.savedmodel import reader
from deployer.savedmodel.layout import EXTRA
from deployer.savedmodel.layout import PB_FILE as GRAPH

COUNTED = re.compile(r'(__(?:inference|forward|backward)_[^"\s]*?)_\d+(?=["\s])')
"""A function's name with the counter that depends on what the process traced before."""
COUNTED_RESOURCE = re.compile(r'(key: "(?:shared_name|_user_specified_name)"\s+value \{\s+s: ")\d+"')
WEIGHTS = "variables/"
NOT_COMPARED = ("fingerprint.pb", f"{EXTRA}/")
MAX_GRAPH_BYTES = 32 << 20
"""Larger graphs count as equal only if their bytes are: comparing them as text takes too much time and memory."""

Files = Mapping[str, str]
"""SHA-256 digests by file name inside the SavedModel."""


def are_equal(left: Path, left_files: Files, right: Path, right_files: Files) -> bool:
    """Return whether graphs, signatures, variables and assets of two SavedModels are equal."""
    if _data(left_files) != _data(right_files):
        return False
    return left_files[GRAPH] == right_files[GRAPH] or _equal_graphs(left, right)


def differ_only_in_weights(left: Path, left_files: Files, right: Path, right_files: Files) -> bool:
    """Return whether two SavedModels have equal graphs, signatures and assets, and different variable values."""
    before, after = (
        {name: digest for name, digest in _data(files).items() if not name.startswith(WEIGHTS)}
        for files in (left_files, right_files)
    )
    return before == after and (left_files[GRAPH] == right_files[GRAPH] or _equal_graphs(left, right))


def _data(files: Files) -> dict[str, str]:
    return {name: digest for name, digest in files.items() if name != GRAPH and not name.startswith(NOT_COMPARED)}


def _equal_graphs(left: Path, right: Path) -> bool:
    if max((directory / GRAPH).stat().st_size for directory in (left, right)) > MAX_GRAPH_BYTES:
        return False
    return _graphs(left) == _graphs(right)


def _graphs(directory: Path) -> list[tuple[str, ...]]:
    return [_text(graph) for graph in reader.parse(directory).meta_graphs]


def _text(graph: Message) -> tuple[str, ...]:
    """Return the functions sorted by their text, then the rest of the graph, without what only Python reads."""
    graph.ClearField("object_graph_def")
    functions = sorted(_without_counters(function) for function in graph.graph_def.library.function)
    graph.graph_def.ClearField("library")
    return (*functions, _without_counters(graph))


def _without_counters(message: Message) -> str:
    return COUNTED_RESOURCE.sub(r'\1"', COUNTED.sub(r"\1", str(message)))

"""Whether two SavedModels hold the same: what a server reads is compared, and not how TensorFlow counted names.

TensorFlow's own fingerprint does not do: a constant in a function may change, and it stays.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deployer.savedmodel import reader
from deployer.savedmodel.layout import EXTRA
from deployer.savedmodel.layout import PB_FILE as GRAPH

COUNTED = re.compile(r'(__(?:inference|forward|backward)_[^"\s]*?)_\d+(?=["\s])')
"""A function's name, and the number that depends on what the process has traced before."""
COUNTED_RESOURCE = re.compile(r'(key: "(?:shared_name|_user_specified_name)"\s+value \{\s+s: ")\d+"')
WEIGHTS = "variables/"
NOT_COMPARED = ("fingerprint.pb", f"{EXTRA}/")
MAX_GRAPH_BYTES = 32 << 20
"""Of a larger graph only equal bytes count: its text would take long, and much memory."""

Files = Mapping[str, str]
"""SHA-256 of files by their names in the SavedModel."""


def are_equal(left: Path, left_files: Files, right: Path, right_files: Files) -> bool:
    """Whether graphs, signatures, variables and assets of two SavedModels are equal."""
    if _data(left_files) != _data(right_files):
        return False
    return left_files[GRAPH] == right_files[GRAPH] or _equal_graphs(left, right)


def differ_only_in_weights(left: Path, left_files: Files, right: Path, right_files: Files) -> bool:
    """Whether two SavedModels have the same graphs, signatures and assets, and other values of their variables."""
    before, after = (
        {name: digest for name, digest in _data(files).items() if not name.startswith(WEIGHTS)}
        for files in (left_files, right_files)
    )
    return before == after and (left_files[GRAPH] == right_files[GRAPH] or _equal_graphs(left, right))


def _data(files: Files) -> dict[str, str]:
    return {name: digest for name, digest in files.items() if name != GRAPH and not name.startswith(NOT_COMPARED)}


def _equal_graphs(left: Path, right: Path) -> bool:
    if max((folder / GRAPH).stat().st_size for folder in (left, right)) > MAX_GRAPH_BYTES:
        return False
    return _graphs(left) == _graphs(right)


def _graphs(folder: Path) -> list[tuple[str, ...]]:
    return [_text(graph) for graph in reader.parse(folder).meta_graphs]


def _text(graph: Any) -> tuple[str, ...]:
    """The functions in the order of their texts, then the rest; what only Python reads is left out."""
    graph.ClearField("object_graph_def")
    functions = sorted(_without_counters(function) for function in graph.graph_def.library.function)
    graph.graph_def.ClearField("library")
    return (*functions, _without_counters(graph))


def _without_counters(message: Any) -> str:
    return COUNTED_RESOURCE.sub(r'\1"', COUNTED.sub(r"\1", str(message)))
